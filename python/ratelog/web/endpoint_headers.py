"""Rate limit headers on the responses that FastAPI endpoints return, without the middleware.

FastAPI adds the headers that a dependency sets only if the endpoint returns a value. If it returns a `Response`, they
are added here, by wrapping the endpoint when its first limit is checked.
"""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from .responses import add_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .request_state import RequestState

_state: ContextVar[RequestState | None] = ContextVar("ratelog_state", default=None)
_WRAPPED = "__ratelog_headers__"


def add_headers_of(state: RequestState, dependant: Any) -> None:
    """Makes the endpoint of `dependant` add the headers of `state`, in the current task."""
    _state.set(state)
    call = dependant.call
    if call is not None and not hasattr(call, _WRAPPED):
        dependant.call = _wrap(call)


def _wrap(call: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(call) or inspect.isgeneratorfunction(call):
        # Its response is FastAPI's, which has the headers.
        return call

    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(call):

        @wraps(call)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await _with_headers(_take_state(), call(*args, **kwargs))

    else:

        @wraps(call)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            state = _take_state()
            result = call(*args, **kwargs)
            # FastAPI awaits the result of some functions that are not declared with `async def`.
            return _with_headers(state, result) if inspect.isawaitable(result) else with_headers(state, result)

    setattr(wrapper, _WRAPPED, True)
    return wrapper


def _take_state() -> RequestState | None:
    """Returns the state of the current request. The endpoint may handle other requests in the same task."""
    state = _state.get()
    _state.set(None)
    return state


async def _with_headers(state: RequestState | None, result: Awaitable[Any]) -> Any:
    return with_headers(state, await result)


def with_headers(state: RequestState | None, result: Any) -> Any:
    """Adds the headers to a `Response`. It is copied, since a program may return the same one for all requests."""
    if state is None or state.sends_headers or not isinstance(result, Response):
        return result
    copied = copy(result)
    copied.raw_headers = list(result.raw_headers)
    # Starlette keeps an object for the headers of the original.
    vars(copied).pop("_headers", None)
    add_headers(state, copied)
    return copied
