"""Connections that the asynchronous limiter keeps, gives back and finds broken."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from ratelog import RateLimiter
from ratelog.link import aio, packing
from ratelog.link.aio import AsyncLink
from support.driver import BRISK
from support.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.server import Server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Any]:
    client = redis.asyncio.Redis.from_url(server.url)
    yield client
    await client.aclose()


async def test_a_client_that_was_handed_in_gets_its_connections_back(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "WARM", 0.02)
    async with RateLimiter(client=client, **BRISK) as limiter:
        await asyncio.gather(*[limiter.check(f"k:{n}", "9/minute") for n in range(5)])
        assert limiter.health().backend == "module"
        pool = client.connection_pool
        await until("they are given back", lambda: not pool._in_use_connections)
    assert await client.ping()


async def test_a_connection_that_its_owner_closed_is_replaced(client: Any) -> None:
    async with RateLimiter(client=client, on_failure="deny", **BRISK) as limiter:
        for left in (8, 7, 6):
            assert (await limiter.check("k", "9/minute")).remaining == left
            await client.connection_pool.disconnect()
        assert limiter.health().opened == 0


async def test_what_nobody_foresaw_ends_the_batch_and_is_not_hidden() -> None:
    class Broken:
        async def get_connection(self) -> Any:
            raise RuntimeError("broken")

    class Client:
        connection_pool = Broken()

    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    link = AsyncLink(Client(), cluster=False, timeout=30, lanes=1)
    for _ in range(2):
        with pytest.raises(ConnectionAbortedError, match=r"^RuntimeError$"):
            await link.ask([("PING",)])
    await until("it is told", lambda: gc.collect() >= 0 and len(told) == 2)
    assert [str(error) for error in told] == ["broken", "broken"]


async def test_without_hiredis_commands_are_packed_by_redis_py(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_pack", None)
    async with RateLimiter(server.url, **BRISK) as limiter:
        assert (await limiter.check(b"\xff", "9/minute", 2)).remaining == 7
