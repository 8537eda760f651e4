"""Memory stays as it is, however many checks there are."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ratelog import Limits, LocalLimiter, RateLimiter

if TYPE_CHECKING:
    from support.server import Server

PAGE = os.sysconf("SC_PAGE_SIZE")
ROOM = 12 << 20
"""Bytes that the interpreter and its allocator may come to hold besides."""


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def test_a_million_checks_of_a_million_keys_stay_within_the_bound() -> None:
    limiter, limits = LocalLimiter(8 << 20), Limits("10/hour")
    for number in range(100_000):
        limiter.check(f"user:{number}", limits)
    before = resident()
    for number in range(1_000_000):
        limiter.check(f"user:{number}", limits)
    assert limiter.bytes <= limiter.max_bytes == 8 << 20
    assert limiter.evicted > 0
    assert resident() - before < ROOM


async def test_many_checks_at_a_server_leave_nothing_behind(server: Server) -> None:
    async with RateLimiter(server.url, deny_cache=100, timeout=1) as limiter:

        async def checks(count: int) -> None:
            for number in range(count):
                await limiter.check(f"user:{number % 50}", "3/minute")

        await checks(5_000)
        before = resident()
        await checks(20_000)
        assert resident() - before < ROOM
