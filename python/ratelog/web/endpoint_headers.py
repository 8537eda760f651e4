"""Rate limit headers on the responses of FastAPI endpoints without the middleware.

FastAPI adds the headers that a dependency sets only if the endpoint returns a value. If it returns a `Response` or
raises an `HTTPException`, they are added here, by wrapping the endpoint when its first limit is checked.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from .responses import add_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
            with _headers_on_errors():
                return _with_headers(await call(*args, **kwargs))

    else:

        @wraps(call)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _headers_on_errors():
                return _with_headers(call(*args, **kwargs))

    setattr(wrapper, _WRAPPED, True)
    return wrapper


@contextmanager
def _headers_on_errors() -> Iterator[None]:
    try:
        yield
    except HTTPException as error:
        state = _state.get()
        if state is not None:
            own = {name.decode(): value.decode() for name, value in state.headers()}
            error.headers = {**(error.headers or {}), **own}
        raise


def _with_headers(result: Any) -> Any:
    state = _state.get()
    if state is not None and isinstance(result, Response):
        add_headers(state, result)
    return result
