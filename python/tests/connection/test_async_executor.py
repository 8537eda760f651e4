"""What goes out together, and what becomes of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import RateLimiter
from ratelog.connection.server_pool import IDLE_TIMEOUT
from support.driver import BRISK
from support.wait import until
from support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.server import Server


def reads(db: Any) -> int:
    """Packets of commands that the server has read, this one not among them."""
    return int(db.info("stats")["total_reads_processed"]) - 1


@pytest.fixture
async def limiter(server: Server) -> AsyncIterator[RateLimiter]:
    async with RateLimiter(server.url, max_connections=1, **{**BRISK, "timeout": 1.5}) as limiter:
        await limiter.check("warm", "1/minute")
        yield limiter


async def test_checks_of_one_loop_iteration_are_one_packet(server: Server, limiter: RateLimiter) -> None:
    db = server.db()
    before = reads(db)
    decisions = await asyncio.gather(*[limiter.check(f"k:{n}", f"{n + 2}/minute", 2) for n in range(100)])
    # One is what asked for the number.
    assert reads(db) - before == 2
    assert [(d.limit, d.remaining) for d in decisions] == [(n + 2, n) for n in range(100)]


async def test_checks_queued_while_the_connection_is_busy_are_sent_together(
    server: Server, limiter: RateLimiter
) -> None:
    db = server.db()
    before = reads(db)
    db.client_pause(30_000, all=False)
    first = asyncio.create_task(limiter.check("first", "9/minute"))
    await until("the first is under way", lambda: int(db.info("clients")["blocked_clients"]) >= 1)
    asked = reads(db) - before
    others = [asyncio.create_task(limiter.check(f"k:{n}", "9/minute")) for n in range(3)]
    await asyncio.sleep(0)
    others += [asyncio.create_task(limiter.check(f"l:{n}", "9/minute")) for n in range(3)]
    await asyncio.sleep(0)
    db.client_unpause()
    assert {d.source for d in await asyncio.gather(first, *others)} == {"module"}
    # Unpausing, asking for the number, and all the others in one.
    assert reads(db) - before - asked == 3


async def test_a_single_check_is_not_delayed(limiter: RateLimiter, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    at = loop.call_at

    def noted(when: float, *arguments: Any, **named: Any) -> asyncio.TimerHandle:
        delays.append(when - loop.time())
        return at(when, *arguments, **named)

    monkeypatch.setattr(loop, "call_at", noted)
    await limiter.check("k", "9/minute")
    # One ends the check; another gives the connection back, long after.
    assert delays
    assert min(delays) > IDLE_TIMEOUT / 2


async def test_cancelled_callers_do_not_affect_others(server: Server, limiter: RateLimiter) -> None:
    for _ in range(5):
        tasks = [asyncio.create_task(limiter.check(f"k:{n}", f"{n + 1000}/minute")) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
        assert [outcome.limit for outcome in outcomes[1::2] if not isinstance(outcome, BaseException)] == [
            n + 1000 for n in range(1, 10, 2)
        ]
    assert (await limiter.check("after", "7/minute")).limit == 7
    assert (limiter.health().state, limiter.health().opened) == ("closed", 0)


async def test_a_blocked_event_loop_loses_no_decision_and_no_connection(server: Server) -> None:
    options = {**BRISK, "timeout": 0.2}
    async with RateLimiter(server.url, max_connections=2, fallback="deny", **options) as limiter:
        for round_ in range(3):
            tasks = [asyncio.create_task(limiter.check(f"k:{n}", "1000/minute")) for n in range(20)]
            for _ in range(4):
                # By then all of it is on its way.
                await asyncio.sleep(0)
            # Blocks longer than the checks may take; the replies are there meanwhile.
            time.sleep(0.3)  # noqa: ASYNC251
            assert [decision.remaining for decision in await asyncio.gather(*tasks)] == [999 - round_] * 20
        assert (limiter.health().opened, limiter.health().last_error) == (0, None)
    assert server.db().info("stats")["total_connections_received"] <= 5


async def test_a_slow_connect_delays_no_check(server: Server) -> None:
    with Wire(server.port) as wire:
        options = {**BRISK, "timeout": 0.5, "connect_timeout": 30}
        async with RateLimiter(wire.url, max_connections=4, fallback="deny", **options) as limiter:
            await limiter.check("warm", "9/minute")
            wire.opens.clear()
            for _ in range(20):
                # Each asks in a turn of its own, so that the second finds no connection that is free.
                tasks = []
                for n in range(8):
                    tasks.append(asyncio.create_task(limiter.check(f"k:{n}", "1000/minute")))
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                assert {decision.source for decision in await asyncio.gather(*tasks)} == {"module"}
            # Longer than a check may take: the connection is still in the making.
            executor: Any = limiter._sessions._by_loop[asyncio.get_running_loop()]._executor
            assert executor._pool._connecting is not None
            wire.opens.set()
            await until("there is one more", lambda: len(executor._pool._idle) == 2)
            assert (limiter.health().opened, limiter.health().last_error) == (0, None)


async def test_a_timed_out_batch_fails_as_a_whole_and_leaves_no_replies_behind(start: Any) -> None:
    server = start()
    async with RateLimiter(server.url, max_connections=1, **{**BRISK, "timeout": 0.05}) as limiter:
        await limiter.check("k", "9/minute")
        server.pause()
        busy = [asyncio.create_task(limiter.check("k", "9/minute")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(limiter.check("k", "9/minute"))]
        decisions = await asyncio.gather(*busy, *waiting)
        assert {d.source for d in decisions} == {"local"}
        server.resume()
        await until("the server is back", lambda: limiter.health().state == "closed")
        assert (await limiter.check("other", "7/minute")).limit == 7


async def test_close_ends_checks_in_progress(start: Any) -> None:
    server = start()
    limiter = RateLimiter(server.url, max_connections=1, **BRISK)
    await limiter.check("k", "9/minute")
    server.pause()
    busy = asyncio.create_task(limiter.check("k", "9/minute"))
    for _ in range(5):
        await asyncio.sleep(0)
    waiting = asyncio.create_task(limiter.check("k", "9/minute"))
    for _ in range(5):
        await asyncio.sleep(0)
    await limiter.aclose()
    assert [d.source for d in await asyncio.gather(busy, waiting)] == ["local", "local"]
    assert (limiter.health().opened, limiter.health().last_error) == (0, None)
