"""The parts of a limiter that this package uses. No object of this package holds a whole limiter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .enforcer import Enforcer
    from .startup import Startup


@dataclass(frozen=True)
class WebParts:
    """An enforcer, and how the limiter's connections are opened and closed."""

    enforcer: Enforcer
    startup: Startup
    aclose: Callable[[], Awaitable[None]]


class HasWebParts(Protocol):
    """A `RateLimiter`, as this package sees it."""

    _web: WebParts


def parts_of(limiter: HasWebParts) -> WebParts:
    """Returns the parts of a `RateLimiter`."""
    return limiter._web  # noqa: SLF001 - private to its users, not to this package
