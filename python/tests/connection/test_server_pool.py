"""Connections that the asynchronous limiter keeps, returns and replaces."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from ratelog import RateLimiter
from ratelog.connection import compat, server_pool
from ratelog.connection.async_executor import AsyncExecutor
from support.driver import FAST
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.server import Server
    from support.types import Start


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
    executor = AsyncExecutor(Client(), cluster=False, timeout=30, connect_timeout=30, max_connections=1)
    for _ in range(2):
        with pytest.raises(ConnectionAbortedError, match=r"^RuntimeError$"):
            await executor.execute([("PING",)])
    await until("both errors are reported", lambda: gc.collect() >= 0 and len(reported) == 2)
    assert [str(error) for error in reported] == ["broken", "broken"]


async def test_redis_py_packs_commands_without_hiredis(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_hiredis_pack", None)
    async with RateLimiter(server.url, **FAST) as limiter:
        assert (await limiter.check(b"\xff", "9/minute", 2)).remaining == 7


async def test_event_loops_in_several_threads_share_a_limiter(server: Server) -> None:
    limiter = RateLimiter(server.url, deny_cache=100, **FAST)

    async def check_many() -> int:
        async with limiter:
            decisions = [await limiter.check("k", "100/hour") for _ in range(50)]
            others = await asyncio.gather(*[limiter.check("k", "100/hour") for _ in range(50)])
            return sum(decision.allowed for decision in [*decisions, *others])

    with ThreadPoolExecutor(4) as threads:
        loops = [threads.submit(asyncio.run, check_many()) for _ in range(4)]
        allowed = [await asyncio.wrap_future(loop) for loop in loops]
    assert sum(allowed) == 100
    assert (limiter.health().opened, limiter.health().last_error) == (0, None)
    assert not limiter._sessions._by_loop


async def test_probes_continue_after_the_loop_that_lost_the_server_is_closed(start: Start) -> None:
    server = start()
    async with RateLimiter(server.url, **FAST) as limiter:
        await limiter.check("k", "9/minute")
        server.kill()

        async def lose_server() -> str:
            decision = await limiter.check("k", "9/minute")
            await limiter.aclose()
            return decision.source

        assert await asyncio.to_thread(asyncio.run, lose_server()) == "local"
        server.restart()

        async def is_remote() -> bool:
            return (await limiter.check("k", "9/minute")).source == "module"

        await until("the server is found", is_remote)


async def test_a_limiter_can_be_closed_while_it_starts(server: Server) -> None:
    limiter = RateLimiter(server.url, deny_cache=100, **FAST)
    for turns in range(30):
        tasks = [asyncio.create_task(limiter.check(f"k:{n}", "1000000/minute")) for n in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await limiter.aclose()
        assert {decision.source for decision in await asyncio.gather(*tasks)} <= {"module", "local"}
    await limiter.aclose()
    assert limiter.health().last_error is None
    db: Any = server.db()
    names = ("ratelog", "ratelog-invalidation")
    await until("all connections are closed", lambda: not [c for c in db.client_list() if c["name"] in names])
