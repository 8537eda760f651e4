"""Helpers for the functions that a program passes to a limiter."""

from __future__ import annotations

import inspect
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

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


class Failure(NamedTuple):
    """The error of a function, in place of its result."""

    error: Exception


async def caught(call: Callable[[], Any]) -> Any:
    """Returns the result of a call, or `Failure` in place of an error. Raises `HTTPException`, which is a response."""
    from starlette.exceptions import HTTPException, WebSocketException

    try:
        return await maybe_await(call())
    except (HTTPException, WebSocketException):
        raise
    except Exception as error:  # noqa: BLE001 - what clients send may cause any error
        return Failure(error)


def has_handler(connection: HTTPConnection, error: Exception) -> bool:
    """Whether the application has a handler for errors of this class, other than one for all."""
    handlers = getattr(connection.scope.get("app"), "exception_handlers", {})
    return any(kind in handlers for kind in type(error).__mro__ if kind is not Exception)


@lru_cache(maxsize=1024)
def caught_dependency(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a dependency that returns `Failure` in place of raising an error.

    It is the same for each limit with the function, so that FastAPI calls it once for a request.
    """
    from starlette.concurrency import run_in_threadpool

    is_asynchronous = inspect.iscoroutinefunction(function)

    async def call(**arguments: Any) -> Any:
        bound = partial(function, **arguments)
        return await caught(bound if is_asynchronous else partial(run_in_threadpool, bound))

    wrapper: Any = call
    wrapper.__signature__ = evaluated_signature(function)
    return call


def evaluated_signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature, its annotations evaluated in the function's module. Old FastAPIs use the wrapper's module."""
    try:
        return inspect.signature(function, eval_str=True)
    except (AttributeError, NameError, TypeError):
        return inspect.signature(function)
