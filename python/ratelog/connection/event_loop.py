"""The event loop of asyncio. The connections of redis-py's asyncio clients need one."""

from __future__ import annotations

import asyncio
import sys

_NEEDS_ASYNCIO = (
    "RateLimiter needs asyncio for its connections: run the program on asyncio (anyio.run(main, backend='asyncio')), "
    "or use SyncRateLimiter in a thread (anyio.to_thread.run_sync)"
)


def running_loop() -> asyncio.AbstractEventLoop:
    """Returns the running event loop.

    Raises:
        RuntimeError: asyncio does not run in this thread. The message names the alternatives.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(_NEEDS_ASYNCIO) from None


def reject_trio() -> None:
    """Raises the error of `running_loop` if trio runs in this thread and asyncio does not."""
    trio = sys.modules.get("trio.lowlevel")
    if trio is None:
        return
    try:
        trio.current_trio_token()
    except RuntimeError:
        return
    running_loop()
