"""How batches of commands end: by replies, a timeout or a cancelled caller."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from ratelog import RateLimiter
from support.driver import FAST
from support.wait import until, until_sync

if TYPE_CHECKING:
    import pytest

    from support.server import Server


def has_decided(db: Any, checks: int) -> bool:
    """Whether the server has decided this number of checks."""
    return int(db.info("commandstats").get("cmdstat_rl.check", {}).get("calls", 0)) == checks


async def test_cancelled_callers_do_not_affect_others(server: Server) -> None:
    async with RateLimiter(server.url, max_connections=1, **{**FAST, "timeout": 30}) as limiter:
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


async def test_a_blocked_event_loop_loses_no_decision_and_no_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, db = asyncio.get_running_loop(), server.db()
    clock = loop.time
    blocked: list[float] = []
    monkeypatch.setattr(loop, "time", lambda: clock() + sum(blocked))
    async with RateLimiter(server.url, max_connections=2, fallback="deny", **{**FAST, "timeout": 30}) as limiter:
        for round_ in range(2):
            db.client_pause(30_000, all=False)
            tasks = [asyncio.create_task(limiter.check(f"k:{n}", "1000/minute")) for n in range(20)]
            await until("the batch is sent", lambda: int(db.info("clients")["blocked_clients"]) >= 1)
            # The event loop is blocked for longer than the timeout. The replies arrive meanwhile.
            db.client_unpause()
            until_sync("the server has decided all checks", partial(has_decided, db, 20 * (round_ + 1)))
            # The server has sent its replies before this one.
            db.ping()
            blocked.append(45.0)
            assert [decision.remaining for decision in await asyncio.gather(*tasks)] == [999 - round_] * 20
        assert (limiter.health().opened, limiter.health().last_error) == (0, None)
    assert db.info("stats")["total_connections_received"] <= 5


async def test_a_timed_out_batch_fails_as_a_whole_and_leaves_no_replies_behind(start: Any) -> None:
    server = start()
    async with RateLimiter(server.url, max_connections=1, **{**FAST, "timeout": 0.05}) as limiter:
        await limiter.check("k", "9/minute")
        server.pause()
        busy = [asyncio.create_task(limiter.check("k", "9/minute")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(limiter.check("k", "9/minute"))]
        decisions = await asyncio.gather(*busy, *waiting)
        assert {d.source for d in decisions} == {"local"}
        server.resume()
        await until("the server has recovered", lambda: limiter.health().state == "closed")
        assert (await limiter.check("other", "7/minute")).limit == 7
