"""Load on a limiter, while its server comes and goes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from .wait import until

if TYPE_CHECKING:
    from typing_extensions import Self

    from .driver import Driver


class Load:
    """Callers without pause, who are answered whatever happens: what one of them is raised fails the test."""

    def __init__(self, limiter: Driver, callers: int, limits: str = "1000000/minute") -> None:
        self._limiter = limiter
        self._callers = callers
        self._limits = limits
        self._stops = False
        self.answered: Counter[str] = Counter()
        self.longest = 0.0

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(self._callers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stops = True
        await asyncio.gather(*self._tasks)

    async def goes_on(self, source: str, more: int = 100) -> None:
        """Waits until more checks have been answered by `source`."""
        before = self.answered[source]
        await until(f"{source} answers", lambda: self.answered[source] > before + more or self._is_over())
        assert not self._is_over(), [task.exception() for task in self._tasks if task.done()]

    def _is_over(self) -> bool:
        return any(task.done() for task in self._tasks)

    async def _call(self, number: int) -> None:
        while not self._stops:
            began = time.monotonic()
            decision = await self._limiter.check(f"load:{number}", self._limits)
            self.longest = max(self.longest, time.monotonic() - began)
            self.answered[decision.source] += 1
            await asyncio.sleep(0)
