"""Checks that are repeated until they are allowed, without I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ._core import Backoff
from .errors import DeniedError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._core import Decision

DEFAULT_MAX_WAIT = 60.0
"""Seconds."""


def waits(max_wait: float) -> Generator[float, Decision, Decision]:
    """Yields the seconds to wait before each check, and receives its decision. Returns the one that is allowed.

    Raises:
        DeniedError: the next wait does not end within `max_wait` seconds, or no wait changes the denial.
        ValueError: `max_wait` is negative.
    """
    started = time.monotonic()
    backoff = Backoff.of_checks(max_wait)
    wait: float | None = 0.0
    while wait is not None:
        decision = yield wait
        if decision.allowed:
            return decision
        wait = backoff.after_denial(decision.retry_after_ms, time.monotonic() - started)
    raise DeniedError(decision)
