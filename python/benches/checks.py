"""Checks in this process, compared to a lookup of the same keys in a `dict`."""

from __future__ import annotations

import asyncio
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from ratelog import Limits, RateLimiter, SyncRateLimiter
from ratelog._core import LocalLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = 100_000
LIMITS = "1000/minute"
EXPLANATION = (
    f"Millions per second in one thread, {KEYS:,} keys in turn, median of {{rounds}} rounds; and the time of one "
    "operation relative to a lookup. Target: at least 1 million."
)


async def run(rounds: int) -> str:
    """The section of the report."""
    keys = [f"user:{number}" for number in range(KEYS)]
    encoded = [key.encode() for key in keys]
    limits = Limits(LIMITS)
    counts = dict.fromkeys(keys, 0)
    local = LocalLimiter(1 << 30)
    asynchronous = RateLimiter("memory://", local_max_bytes=1 << 30)
    synchronous = SyncRateLimiter("memory://", local_max_bytes=1 << 30)

    def lookup() -> None:
        for key in keys:
            counts[key] += 1

    def core() -> None:
        check = local.check
        for key in encoded:
            check(key, limits)

    def blocking() -> None:
        check = synchronous.check
        for key in keys:
            check(key, limits)

    async def awaiting() -> None:
        check = asynchronous.check
        for key in keys:
            await check(key, limits)

    times: dict[str, list[float]] = {}

    def add(name: str, began: float, number: int) -> None:
        # The first round creates the keys and is not counted.
        if number:
            times.setdefault(name, []).append(perf_counter() - began)

    plain: dict[str, Callable[[], None]] = {
        "a lookup in a `dict[str, int]`": lookup,
        "`_core.LocalLimiter.check`": core,
        "`SyncRateLimiter.check` with `memory://`": blocking,
    }
    for number in range(rounds + 1):
        for name, once in plain.items():
            began = perf_counter()
            once()
            add(name, began, number)
        began = perf_counter()
        await awaiting()
        add("`RateLimiter.check` with `memory://`", began, number)
    looked = next(iter(times.values()))
    lines = [
        f"| {name} | {KEYS / median(took) / 1e6:.2f} | {median(a / b for a, b in zip(took, looked, strict=True)):.1f} |"
        for name, took in times.items()
    ]
    return "\n".join(
        [
            "## Checks in this process",
            "",
            EXPLANATION.format(rounds=rounds),
            "",
            "| operation | millions per second | time / lookup |",
            "| --- | --- | --- |",
            *lines,
            "",
        ]
    )


def section(rounds: int) -> str:
    """Runs the benchmark in an event loop."""
    return asyncio.run(run(rounds))
