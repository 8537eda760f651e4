"""Connections that the asynchronous limiter keeps, returns and replaces."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from ratelog import RateLimiter
from ratelog.connection import server_pool
from ratelog.connection.async_executor import AsyncExecutor
from support.driver import FAST
from support.wait import TIMEOUT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.server import Server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Any]:
    client = redis.asyncio.Redis.from_url(server.url)
    yield client
    await client.aclose()


async def test_connections_are_returned_to_a_client_that_was_passed(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_pool, "IDLE_TIMEOUT", 0.02)
    async with RateLimiter(client=client, **FAST) as limiter:
        await asyncio.gather(*[limiter.check(f"k:{n}", "9/minute") for n in range(5)])
        assert limiter.health().backend == "module"
        pool = client.connection_pool
        await until("the connections are returned", lambda: not pool._in_use_connections)
    assert await client.ping()


async def test_a_connection_closed_by_its_owner_is_replaced(client: Any) -> None:
    async with RateLimiter(client=client, fallback="deny", **FAST) as limiter:
        for left in (8, 7, 6):
            assert (await limiter.check("k", "9/minute")).remaining == left
            await client.connection_pool.disconnect()
        assert limiter.health().opened == 0


async def test_a_command_that_ends_while_its_connection_is_examined_loses_no_connection() -> None:
    class Slow:
        async def can_read(self) -> bool:
            await asyncio.sleep(TIMEOUT)
            return False

        async def disconnect(self, **_: Any) -> None: ...

    class Pool:
        in_use = 0

        async def get_connection(self) -> Any:
            self.in_use += 1
            return Slow()

        async def release(self, _: Any) -> None:
            self.in_use -= 1

    class Client:
        connection_pool = Pool()

    executor = AsyncExecutor(Client(), timeout=30, connect_timeout=30, max_connections=1)
    for _ in range(3):
        with pytest.raises(asyncio.TimeoutError):
            await executor.execute_unbatched([("PING",)], 0.05)
        await until("the connection is released", lambda: Client.connection_pool.in_use == 0)
    assert executor._pool._busy == 0


async def test_an_unexpected_error_fails_the_batch_and_is_reported() -> None:
    class Broken:
        async def can_read(self) -> bool:
            return False

        async def send_packed_command(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

        async def disconnect(self, **_: Any) -> None: ...

    class Pool:
        async def get_connection(self) -> Any:
            return Broken()

        async def release(self, _: Any) -> None: ...

    class Client:
        connection_pool = Pool()

    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    executor = AsyncExecutor(Client(), timeout=30, connect_timeout=30, max_connections=1)
    for _ in range(2):
        with pytest.raises(ConnectionAbortedError, match=r"^RuntimeError$"):
            await executor.execute([("PING",)])
    await until("both errors are reported", lambda: gc.collect() >= 0 and len(reported) == 2)
    assert [str(error) for error in reported] == ["broken", "broken"]
