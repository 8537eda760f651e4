"""Connections of limiters that nobody closes. contract/test_warnings.py runs whole programs without warnings."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from ratelog import RateLimiter
from support.driver import FAST
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server


def connections(server: Server) -> list[str]:
    """The names of a limiter's connections to the server."""
    return [client["name"] for client in server.db().client_list() if client["name"].startswith("ratelog")]


@pytest.mark.parametrize("deny_cache", [0, 100])
async def test_a_dropped_limiter_closes_its_connections(server: Server, deny_cache: int) -> None:
    async def use() -> None:
        limiter = RateLimiter(server.url, deny_cache=deny_cache, **FAST)
        await limiter.check("k", "9/minute")
        await until("all connections are open", lambda: limiter.health().tracking or not deny_cache)
        assert len(connections(server)) == (2 if deny_cache else 1)

    await use()
    gc.collect()
    await until("the connections are closed", lambda: not connections(server))


async def test_a_limiter_that_is_closed_before_it_connects_leaves_no_task(server: Server) -> None:
    limiter = RateLimiter(server.url, deny_cache=100, **FAST)
    checking = asyncio.create_task(limiter.check("k", "9/minute"))
    await asyncio.sleep(0)
    await limiter.aclose()
    await checking
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await until("the connections are closed", lambda: not connections(server))


async def test_the_end_of_an_event_loop_closes_its_connections_only(server: Server) -> None:
    async with RateLimiter(server.url, deny_cache=100, **FAST) as limiter:
        await until("all connections are open", lambda: limiter.health().tracking)

        async def check() -> int:
            await limiter.check("k", "9/minute")
            return len(connections(server))

        assert await asyncio.to_thread(asyncio.run, check()) > 2
        await until("the connections of the other loop are closed", lambda: len(connections(server)) == 2)
        assert (await limiter.check("k", "9/minute")).source == "module"


async def test_a_closed_limiter_is_dropped_without_another_task(server: Server) -> None:
    limiter = RateLimiter(server.url, **FAST)
    await limiter.check("k", "9/minute")
    await limiter.aclose()
    before = asyncio.all_tasks()
    del limiter
    gc.collect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
