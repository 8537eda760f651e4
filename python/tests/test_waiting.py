"""Checks that are repeated until they are allowed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from ratelog import DeniedError, RateLimiter, SyncRateLimiter

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open

TOLERANCE = 0.005
"""The clock of a server may be a little faster than that of this process."""


async def test_callers_wait_for_their_units(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    started = time.monotonic()
    decisions = await asyncio.gather(*[limiter.until_allowed("jobs", "2/50ms") for _ in range(8)])
    assert time.monotonic() - started >= 3 * 0.05 - TOLERANCE
    assert {(decision.allowed, decision.source) for decision in decisions} == {(True, "module")}


@pytest.mark.parametrize(
    ("max_wait", "cost", "retry_after"), [(0, 1, True), (60, 1, True), (60, 4, False)], ids=["no", "too long", "never"]
)
async def test_a_wait_that_does_not_help_is_an_error(
    max_wait: float, cost: int, retry_after: bool, server: Server, open_limiter: Open
) -> None:
    limiter = open_limiter(server.url)
    await limiter.check("job", "3/hour", 3)
    started = time.monotonic()
    with pytest.raises(DeniedError) as error:
        await limiter.until_allowed("job", "3/hour", cost, max_wait=max_wait)
    assert (error.value.decision.retry_after_ms is not None) == retry_after
    # It is known at once.
    assert time.monotonic() - started < 60
    assert (await limiter.peek("job", "3/hour")).remaining == 0


async def test_an_operator_denies_every_check(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    await limiter.set_override("job", "deny")
    with pytest.raises(DeniedError):
        await limiter.until_allowed("job", "3/second")


async def test_wrong_arguments_are_errors() -> None:
    limiter = RateLimiter("memory://")
    with pytest.raises(ValueError, match="max_wait"):
        await limiter.until_allowed("job", "3/second", max_wait=-1)
    with pytest.raises(ValueError, match="max_wait"):
        SyncRateLimiter("memory://").until_allowed("job", "3/second", max_wait=float("nan"))
    with pytest.raises(ValueError, match="found 'x'"):
        await limiter.until_allowed("job", "x")
