"""Bounds the number of log records of one kind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LogSampler:
    """Admits at most `burst` records per `interval` seconds, and counts the others."""

    def __init__(self, burst: int, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._interval = interval
        self._clock = clock
        self._since = -interval
        self._admitted = 0
        self._suppressed = 0

    def admit(self) -> int | None:
        """Returns `None` if the record must be left out, and otherwise the number that were left out before it."""
        now = self._clock()
        if now - self._since >= self._interval:
            self._since, self._admitted = now, 0
        if self._admitted >= self._burst:
            self._suppressed += 1
            return None
        self._admitted += 1
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed
