"""Waiting for conditions; nothing else in the suite sleeps."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TIME_FACTOR = float(os.environ.get("RATELOG_TEST_PATIENCE", "1"))
LONGEST_WAIT = 40 * TIME_FACTOR


async def until(what: str, holds: Callable[[], Any]) -> None:
    """Waits until `holds` does, which may be asynchronous, without holding up the event loop."""
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        outcome = holds()
        if await outcome if inspect.isawaitable(outcome) else outcome:
            return
        assert time.monotonic() < deadline, f"still waiting for: {what}"
        await asyncio.sleep(0.002)


def until_sync(what: str, holds: Callable[[], Any]) -> None:
    """The same where nothing else runs in this thread."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not holds():
        assert time.monotonic() < deadline, f"still waiting for: {what}"
        time.sleep(0.002)
