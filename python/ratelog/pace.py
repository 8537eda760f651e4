"""Paces: work that is spread evenly over time, in all processes that use the same key."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from .connection.compat import timeout
from .errors import DeniedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._core import Decision, Limits

__all__ = ["Pace", "SyncPace"]


LONGEST_SLEEP = 1.0
"""Seconds after which a caller looks again."""


class BasePace:
    """The parts that both kinds of paces share."""

    def __init__(self, limits: Limits, max_wait: float | None) -> None:
        self.limits = limits
        """The rule of one step, such as `1/200ms` for `5/second`."""
        if max_wait is not None and not max_wait >= 0:
            raise ValueError(f"max_wait must be seconds, 0 or more, not {max_wait}")
        self._max_wait = max_wait

    def _deadline(self, started: float) -> float:
        return float("inf") if self._max_wait is None else started + self._max_wait

    @staticmethod
    def _wait_after(decision: Decision, deadline: float) -> float | None:
        """Seconds until the next check; `None` if the caller may proceed."""
        if decision.allowed:
            return None
        wait = decision.retry_after_ms
        if wait is None or time.monotonic() + wait / 1000 > deadline:
            raise DeniedError(decision)
        # An operator may allow the key before.
        return min(wait / 1000, LONGEST_SLEEP)

    def _not_in_time(self) -> TimeoutError:
        return TimeoutError(f"the turn does not come within {self._max_wait:g} s")


class Pace(BasePace):
    """Lets callers proceed one after the other, evenly spread: see `RateLimiter.pace`."""

    def __init__(self, check: Callable[[], Awaitable[Decision]], limits: Limits, max_wait: float | None) -> None:
        super().__init__(limits, max_wait)
        self._check = check
        # A lock belongs to the event loop in which tasks wait for it.
        self._heads: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def wait(self) -> float:
        """Waits for the caller's turn. The callers of one process proceed in the order in which they came.

        Returns the seconds waited.

        Raises:
            DeniedError: the turn comes after `max_wait`, or never, because an operator denied the key.
            TimeoutError: other callers of this process come first until `max_wait` is over.
        """
        started = time.monotonic()
        deadline = self._deadline(started)
        head = self._heads.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
            async with timeout(self._max_wait):
                await head.acquire()
        except asyncio.TimeoutError:
            raise self._not_in_time() from None
        try:
            while True:
                wait = self._wait_after(await self._check(), deadline)
                if wait is None:
                    return time.monotonic() - started
                await asyncio.sleep(wait)
        finally:
            head.release()


class SyncPace(BasePace):
    """Lets threads proceed one after the other, evenly spread: see `SyncRateLimiter.pace`."""

    def __init__(self, check: Callable[[], Decision], limits: Limits, max_wait: float | None) -> None:
        super().__init__(limits, max_wait)
        self._check = check
        self._head = threading.Lock()

    def wait(self) -> float:
        """Waits for the thread's turn. Returns the seconds waited.

        Raises:
            DeniedError: the turn comes after `max_wait`, or never, because an operator denied the key.
            TimeoutError: other threads of this process come first until `max_wait` is over.
        """
        started = time.monotonic()
        deadline = self._deadline(started)
        if not self._head.acquire(timeout=-1 if self._max_wait is None else min(self._max_wait, threading.TIMEOUT_MAX)):
            raise self._not_in_time()
        try:
            while (wait := self._wait_after(self._check(), deadline)) is not None:
                time.sleep(wait)
        finally:
            self._head.release()
        return time.monotonic() - started
