"""The path and the method of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import Scope

WEBSOCKET = "WEBSOCKET"


def path_of(scope: Scope) -> str:
    """The path within the application."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root:
        return path or "/"
    rest = path.removeprefix(root)
    return rest or "/" if not rest or rest.startswith("/") else path


def method_of(scope: Scope) -> str:
    """The method as the settings name it, in upper case; `WEBSOCKET` for a WebSocket, and empty for a request that
    calls itself so.
    """
    if scope["type"] == "websocket":
        return WEBSOCKET
    method: str = scope["method"].upper()
    return "" if method == WEBSOCKET else method
