"""The parts of a limiter that this package uses. No object of this package holds a whole limiter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .enforcer import Enforcer


@dataclass(frozen=True)
class WebParts:
    """An enforcer, and the functions that open and close the limiter's connections."""

    enforcer: Enforcer
    start: Callable[[], Awaitable[None]]
    aclose: Callable[[], Awaitable[None]]


class HasWebParts(Protocol):
    """A `RateLimiter`, as this package sees it."""

    _web: WebParts


def parts_of(limiter: HasWebParts) -> WebParts:
    """Returns the parts of a `RateLimiter`."""
    return limiter._web  # noqa: SLF001 - private to its users, not to this package
