"""Helpers for the tests of an application with limits, and a plugin for pytest.

Load the plugin in `conftest.py` with `pytest_plugins = ["ratelog.testing"]`. It has the fixtures `rate_limiter` and
`rate_limiter_clock`.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._core import LocalLimiter, ManualClock
from .errors import ConfigError
from .limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .base import BaseLimiter

__all__ = ["FrozenClock", "frozen", "rate_limiter", "rate_limiter_clock"]


class FrozenClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self._start_ms = int(time.time() * 1000)
        self._elapsed_ms = 0
        self._clock = ManualClock(self._start_ms)

    @property
    def now(self) -> float:
        """Unix time in seconds."""
        return (self._start_ms + self._elapsed_ms) / 1000

    def advance(self, seconds: float) -> None:
        """Moves the clock forward.

        Raises:
            ValueError: the seconds are negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock moves forward only, not by {seconds!r} seconds")
        self._elapsed_ms += round(seconds * 1000)
        self._clock.set(self._elapsed_ms)


@contextmanager
def frozen(limiter: BaseLimiter, clock: FrozenClock | None = None) -> Iterator[FrozenClock]:
    """Runs a block with empty logs and a clock that stands still. Afterwards the logs are empty, too.

    >>> limiter = RateLimiter("memory://")
    >>> with frozen(limiter) as clock:
    ...     clock.advance(60)

    Raises:
        ConfigError: the limiter has a server, which has a clock of its own.
    """
    engine = limiter._engine  # noqa: SLF001 - private to its users, not to this package
    if engine.remote:
        raise ConfigError("a server's clock cannot be frozen: test with RATELOG_URL=memory://")
    clock = clock or FrozenClock()
    # Another block may have frozen it.
    before = engine.local
    settings = engine.settings
    local = LocalLimiter(settings.local_max_bytes, instances=settings.instances, clock=clock._clock)  # noqa: SLF001
    engine.replace_local(local)
    try:
        yield clock
    finally:
        before.clear()
        engine.replace_local(before)


try:
    import pytest
except ImportError:
    # `frozen` needs no pytest.
    pass
else:

    @pytest.fixture
    def rate_limiter_clock() -> FrozenClock:
        """The clock of `rate_limiter`."""
        return FrozenClock()

    @pytest.fixture
    def rate_limiter(rate_limiter_clock: FrozenClock) -> Iterator[RateLimiter]:
        """A limiter in this process, with empty logs and the clock `rate_limiter_clock`."""
        limiter = RateLimiter("memory://")
        with frozen(limiter, rate_limiter_clock):
            yield limiter
