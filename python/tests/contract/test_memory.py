"""Memory does not grow with the number of checks."""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

from ratelog import Limits, LocalLimiter, RateLimiter

if TYPE_CHECKING:
    from support.server import Server

PAGE = os.sysconf("SC_PAGE_SIZE")
ROOM = 12 << 20
"""Bytes that the interpreter and its allocator may use in addition."""


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def test_a_million_keys_stay_within_the_memory_limit() -> None:
    limiter, limits = LocalLimiter(8 << 20), Limits("10/hour")
    for number in range(100_000):
        limiter.check(f"user:{number}", limits)
    before = resident()
    for number in range(1_000_000):
        limiter.check(f"user:{number}", limits)
    assert limiter.bytes <= limiter.max_bytes == 8 << 20
    assert limiter.evicted > 0
    assert resident() - before < ROOM


async def test_remote_checks_leave_no_memory_behind(server: Server) -> None:
    async with RateLimiter(server.url, deny_cache=100, timeout=30) as limiter:

        async def many(rounds: int) -> int:
            for _ in range(rounds):
                await asyncio.gather(*[limiter.check(f"k:{n}", "5/minute") for n in range(100)])
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = await many(20)
            after = await many(100)
        finally:
            tracemalloc.stop()
        # A leaked timer for each of the 10,000 checks would be over a million bytes. Less may belong to the last
        # checks, which fetch denials in the background.
        assert after - before < 200_000
