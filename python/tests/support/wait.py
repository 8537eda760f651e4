"""Waits for conditions. No other code of the tests sleeps."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TIME_FACTOR = float(os.environ.get("RATELOG_TEST_TIMEOUT_FACTOR", "1"))
"""Multiplies all timeouts of tests, for slow runs."""
TIMEOUT = 120 * TIME_FACTOR
"""Seconds. Only a test that fails waits for so long."""


async def until(condition: str, holds: Callable[[], Any]) -> None:
    """Waits until `holds`, which may be asynchronous, returns true. Does not block the event loop."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        outcome = holds()
        if await outcome if inspect.isawaitable(outcome) else outcome:
            return
        assert time.monotonic() < deadline, f"timed out waiting until {condition}"
        await asyncio.sleep(0.002)


def until_sync(condition: str, holds: Callable[[], Any]) -> None:
    """Blocks until `holds` returns true."""
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, f"timed out waiting until {condition}"
        time.sleep(0.002)
