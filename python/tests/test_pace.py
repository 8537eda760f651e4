"""Work that is spread evenly over time."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ratelog import DeniedError, RateLimiter, SyncRateLimiter
from support.driver import FAST
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Start

TOLERANCE = 0.005
"""The clock of a server may be a little faster than that of this process."""


async def test_limiters_share_a_pace(server: Server) -> None:
    started = time.monotonic()
    async with RateLimiter(server.url, **FAST) as one, RateLimiter(server.url, **FAST) as other:
        paces = [limiter.pace("jobs", "50/second") for limiter in (one, other)]
        assert {str(pace.limits) for pace in paces} == {"3/60ms"}
        waited = await asyncio.gather(*[pace.wait() for pace in paces for _ in range(8)])
    assert time.monotonic() - started >= 5 * 0.06 - TOLERANCE
    assert max(waited) > 0


def test_threads_share_a_pace(server: Server) -> None:
    with SyncRateLimiter(server.url, **FAST) as limiter, ThreadPoolExecutor(8) as threads:
        pace = limiter.pace("jobs", "50/second")
        started = time.monotonic()
        waited = list(threads.map(lambda _: pace.wait(), range(16)))
        assert time.monotonic() - started >= 5 * 0.06 - TOLERANCE
        assert max(waited) > 0


async def test_callers_proceed_in_order() -> None:
    pace = RateLimiter("memory://").pace("jobs", "200/second")
    order = []

    async def work(number: int) -> None:
        await pace.wait()
        order.append(number)

    await asyncio.gather(*map(work, range(20)))
    assert order == list(range(20))


async def test_no_caller_waits_longer_than_the_maximum() -> None:
    limiter = RateLimiter("memory://")
    pace = limiter.pace("jobs", "1/hour", max_wait=0.02)
    await pace.wait()
    with pytest.raises(DeniedError) as error:
        await pace.wait()
    assert error.value.decision.retry_after_ms > 3_500_000  # type: ignore[operator]
    # Another caller is at the head of the queue.
    patient = limiter.pace("jobs", "1/hour")
    head = asyncio.create_task(patient.wait())
    await asyncio.sleep(0)
    patient._max_wait = 0.02
    with pytest.raises(TimeoutError, match=r"^the turn does not come within 0.02 s$"):
        await patient.wait()
    head.cancel()


def test_no_thread_waits_longer_than_the_maximum() -> None:
    limiter = SyncRateLimiter("memory://")
    pace = limiter.pace("jobs", "1/hour", max_wait=0.02)
    pace.wait()
    with pytest.raises(DeniedError):
        pace.wait()
    pace._head.acquire()
    with pytest.raises(TimeoutError, match=r"^the turn does not come within 0.02 s$"):
        pace.wait()
    assert pace._head.locked()


async def test_a_denial_without_an_end_is_an_error(start: Start) -> None:
    server = start()
    async with RateLimiter(server.url, **FAST) as limiter:
        await limiter.set_override("jobs", "deny")
        with pytest.raises(DeniedError, match="and no wait changes that"):
            await limiter.pace("jobs", "5/second").wait()


@pytest.mark.parametrize(
    ("rule", "max_wait", "message"),
    [
        ("0/second", None, "the pace 0/second lets nothing proceed"),
        ("fast", None, "fast"),
        ("1/second; 2/minute", None, "2/minute"),
        ("1/second", -1.0, "max_wait must be seconds, 0 or more, not -1.0"),
        ("1/second", float("nan"), "max_wait must be seconds, 0 or more, not nan"),
    ],
)
def test_a_rule_without_a_pace_is_refused(rule: str, max_wait: float | None, message: str) -> None:
    with pytest.raises(ValueError, match="(?s)" + message):
        RateLimiter("memory://").pace("jobs", rule, max_wait=max_wait)


def test_a_pace_works_in_several_event_loops() -> None:
    limiter = RateLimiter("memory://")
    pace = limiter.pace("jobs", "100/second")

    async def wait_twice() -> None:
        await asyncio.gather(pace.wait(), pace.wait())

    for _ in range(2):
        asyncio.run(wait_twice())


async def test_a_caller_notices_that_an_operator_allows_the_key_again(start: Start) -> None:
    server = start()
    async with RateLimiter(server.url, **FAST) as limiter:
        await limiter.set_override("jobs", "deny", ttl=3600)
        waiting = asyncio.create_task(limiter.pace("jobs", "5/second").wait())
        await until("the caller is denied", lambda: _denied(server) > 0)
        assert await limiter.del_override("jobs")
        assert await waiting < 1800


def _denied(server: Server) -> int:
    denied: int = server.db(protocol=3).execute_command("RL.STATS")[b"denied"]
    return denied
