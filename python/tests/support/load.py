"""Continuous load on a limiter while its server restarts."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from .wait import until

if TYPE_CHECKING:
    from typing_extensions import Self

    from .driver import Driver


class Load:
    """Callers that check without pause. An exception in one of them fails the test."""

    def __init__(self, limiter: Driver, callers: int, limits: str = "1000000/minute") -> None:
        self._limiter = limiter
        self._callers = callers
        self._limits = limits
        self._is_stopping = False
        self.decisions: Counter[str] = Counter()
        """The number of decisions by source."""
        self._by_caller = [Counter[str]() for _ in range(callers)]

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(self._callers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_stopping = True
        await asyncio.gather(*self._tasks)

    async def until_decided_by(self, source: str, more: int = 100) -> None:
        """Waits until `source` has decided more checks."""
        before = self.decisions[source]
        await until(f"decisions by {source}", lambda: self.decisions[source] > before + more or self._has_failed())
        assert not self._has_failed(), [task.exception() for task in self._tasks if task.done()]

    async def until_each_caller_is_decided_by(self, source: str) -> None:
        """Waits until `source` has decided two more checks of each caller. The second one starts after this call."""
        before = [decisions[source] for decisions in self._by_caller]

        def is_decided() -> bool:
            return all(now[source] >= then + 2 for now, then in zip(self._by_caller, before, strict=True))

        await until(f"a decision by {source} for each caller", lambda: is_decided() or self._has_failed())
        assert not self._has_failed(), [task.exception() for task in self._tasks if task.done()]

    def _has_failed(self) -> bool:
        return any(task.done() for task in self._tasks)

    async def _call(self, number: int) -> None:
        while not self._is_stopping:
            decision = await self._limiter.check(f"load:{number}", self._limits)
            self.decisions[decision.source] += 1
            self._by_caller[number][decision.source] += 1
            await asyncio.sleep(0)
