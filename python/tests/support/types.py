"""The types of fixtures that are factories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .driver import Driver
    from .server import Server


class Start(Protocol):
    """Starts a server that stops with the test."""

    def __call__(self, *lines: str, module: bool = True, sentinel: bool = False) -> Server: ...


class Open(Protocol):
    """Creates a limiter that is closed with the test."""

    def __call__(self, url: str | None = None, **options: Any) -> Driver: ...
