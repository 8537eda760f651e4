"""Helpers for the functions that a program passes to a limiter."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNECTION_TYPES = frozenset({"Any", "HTTPConnection", "Request", "WebSocket"})


async def maybe_await(value: Any) -> Any:
    """Awaits a value if it is awaitable."""
    return await value if inspect.isawaitable(value) else value


def has_dependencies(function: Callable[..., Any]) -> bool:
    """Whether FastAPI has to call the function: it takes something other than the connection only."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        # A function written in C.
        return False
    if len(parameters) != 1 or parameters[0].default is not inspect.Parameter.empty:
        return True
    annotation = parameters[0].annotation
    names = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return annotation is not inspect.Parameter.empty and not all(
        name.strip().split(".")[-1] in _CONNECTION_TYPES for name in names.split("|")
    )
