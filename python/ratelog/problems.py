"""Mistakes of configuration that are found while requests are served."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .events import logger

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_INTERVAL = 60.0
"""Seconds between two log records of the same problem."""
RECENT = 300.0
"""Seconds for which `Health` lists a problem after its last occurrence."""
MAX_PROBLEMS = 100
"""Clients may cause new texts, so the number of remembered problems is bounded."""


class Problems:
    """Logs each problem at most once a minute, and remembers the recent ones."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, float]] = {}
        """When a problem occurred last, and when it was logged last."""

    def report(self, problem: str) -> None:
        """Logs a problem at the level ERROR, unless it was logged within a minute."""
        now = self._clock()
        known = self._last.get(problem)
        if known is not None and now - known[1] < LOG_INTERVAL:
            self._last[problem] = (now, known[1])
            return
        if known is None and len(self._last) >= MAX_PROBLEMS:
            self._remove_old(now)
            if len(self._last) >= MAX_PROBLEMS:
                return
        self._last[problem] = (now, now)
        logger.error("problem %s", problem, extra={"ratelog": {"event": "problem", "problem": problem}})

    def recent(self) -> tuple[str, ...]:
        """Returns the problems of the last five minutes."""
        now = self._clock()
        return tuple(problem for problem, (seen, _) in self._last.items() if now - seen < RECENT)

    def _remove_old(self, now: float) -> None:
        self._last = {problem: times for problem, times in self._last.items() if now - times[0] < RECENT}
