"""Rate limit headers on the responses to errors without the middleware.

The application's exception handlers create these responses. They are wrapped when the first limit is checked.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from .endpoint_headers import with_headers

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from starlette.requests import HTTPConnection

    from .types import Scope

_WRAPPED = "__ratelog_error_headers__"


def add_headers_to_errors(scope: Scope, key: str) -> None:
    """Makes the exception handlers that apply to `scope` add the headers of a request's state.

    `key` is the scope key of the state.
    """
    handlers: tuple[MutableMapping[Any, Any], ...] = scope.get("starlette.exception_handlers", ())
    for by_error in handlers:
        for error, handler in by_error.items():
            if key not in getattr(handler, _WRAPPED, ()):
                # The keys of the mapping stay the same, so it can be changed here.
                by_error[error] = _wrap(handler, key)


def _wrap(handler: Callable[..., Any], key: str) -> Callable[..., Any]:
    from starlette._utils import is_async_callable
    from starlette.concurrency import run_in_threadpool

    @wraps(handler)
    async def wrapper(connection: HTTPConnection, error: Exception) -> Any:
        if is_async_callable(handler):
            response = await handler(connection, error)
        else:
            response = await run_in_threadpool(handler, connection, error)
        return with_headers(connection.scope.get(key), response)

    setattr(wrapper, _WRAPPED, {*getattr(handler, _WRAPPED, ()), key})
    return wrapper
