"""Commands that are sent together, and connections that are opened meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import RateLimiter
from ratelog.connection.server_pool import IDLE_TIMEOUT
from support.driver import FAST
from support.proxy import Proxy
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.server import Server


def reads(db: Any) -> int:
    """The number of packets that the server has read, without the one of this command."""
    return int(db.info("stats")["total_reads_processed"]) - 1


@pytest.fixture
async def limiter(server: Server) -> AsyncIterator[RateLimiter]:
    async with RateLimiter(server.url, max_connections=1, **{**FAST, "timeout": 30}) as limiter:
        await limiter.check("warm", "1/minute")
        yield limiter


async def test_checks_of_one_loop_iteration_are_one_packet(server: Server, limiter: RateLimiter) -> None:
    db = server.db()
    before = reads(db)
    decisions = await asyncio.gather(*[limiter.check(f"k:{n}", f"{n + 2}/minute", 2) for n in range(100)])
    # One packet is the INFO command.
    assert reads(db) - before == 2
    assert [(d.limit, d.remaining) for d in decisions] == [(n + 2, n) for n in range(100)]


async def test_checks_queued_while_the_connection_is_busy_are_sent_together(
    server: Server, limiter: RateLimiter
) -> None:
    db = server.db()
    before = reads(db)
    db.client_pause(30_000, all=False)
    first = asyncio.create_task(limiter.check("first", "9/minute"))
    await until("the first request is in progress", lambda: int(db.info("clients")["blocked_clients"]) >= 1)
    overhead = reads(db) - before
    others = [asyncio.create_task(limiter.check(f"k:{n}", "9/minute")) for n in range(3)]
    await asyncio.sleep(0)
    others += [asyncio.create_task(limiter.check(f"l:{n}", "9/minute")) for n in range(3)]
    await asyncio.sleep(0)
    db.client_unpause()
    assert {d.source for d in await asyncio.gather(first, *others)} == {"module"}
    # CLIENT UNPAUSE, INFO, and one packet with all other checks.
    assert reads(db) - before - overhead == 3


async def test_a_single_check_is_not_delayed(limiter: RateLimiter, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    at = loop.call_at

    def noted(when: float, *arguments: Any, **named: Any) -> asyncio.TimerHandle:
        delays.append(when - loop.time())
        return at(when, *arguments, **named)

    monkeypatch.setattr(loop, "call_at", noted)
    await limiter.check("k", "9/minute")
    # One timer ends the check; another returns the connection much later.
    assert delays
    assert min(delays) > IDLE_TIMEOUT / 2


async def test_a_slow_connect_delays_no_check(server: Server) -> None:
    with Proxy(server.port) as proxy:
        options = {**FAST, "timeout": 30, "connect_timeout": 60}
        async with RateLimiter(proxy.url, max_connections=4, fallback="deny", **options) as limiter:
            await limiter.check("warm", "9/minute")
            proxy.forwards.clear()
            for _ in range(20):
                # Each check has its own loop iteration, so that the second finds no idle connection.
                tasks = []
                for n in range(8):
                    tasks.append(asyncio.create_task(limiter.check(f"k:{n}", "1000/minute")))
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                assert {decision.source for decision in await asyncio.gather(*tasks)} == {"module"}
            # All checks used the first connection: the second is not open yet.
            session: Any = limiter._sessions._by_loop[asyncio.get_running_loop()]
            executor = session._executor
            assert executor._pool._connecting is not None
            proxy.forwards.set()
            await until("the second connection is open", lambda: len(executor._pool._idle) == 2)
            assert (limiter.health().opened, limiter.health().last_error) == (0, None)
