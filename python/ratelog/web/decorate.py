"""Limits as decorators of endpoints."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any

from .routes import LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .limit import RateLimit

PARAMETER = "ratelog_decision"


def decorated(endpoint: Callable[..., Any], limit: RateLimit) -> Callable[..., Any]:
    """An endpoint that is limited.

    In FastAPI by a dependency, which is a parameter that the endpoint itself does not get. In Starlette by the request
    that the endpoint is called with.
    """
    name = f"{PARAMETER}_{len(getattr(endpoint, LIMITS, ()))}"

    async def pass_limit(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if name in kwargs:
            del kwargs[name]
        else:
            await limit.admit(_connection(args, kwargs, endpoint))

    def pass_limit_in_thread(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if name in kwargs:
            del kwargs[name]
        else:
            from anyio.from_thread import run

            run(limit.admit, _connection(args, kwargs, endpoint))

    wrapper: Callable[..., Any]
    if inspect.isasyncgenfunction(endpoint):

        @wraps(endpoint)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            await pass_limit(args, kwargs)
            async for item in endpoint(*args, **kwargs):
                yield item

    elif inspect.iscoroutinefunction(endpoint):

        @wraps(endpoint)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            await pass_limit(args, kwargs)
            return await endpoint(*args, **kwargs)

    elif inspect.isgeneratorfunction(endpoint):

        @wraps(endpoint)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            pass_limit_in_thread(args, kwargs)
            yield from endpoint(*args, **kwargs)

    else:

        @wraps(endpoint)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            pass_limit_in_thread(args, kwargs)
            return endpoint(*args, **kwargs)

    setattr(wrapper, LIMITS, (*getattr(endpoint, LIMITS, ()), limit))
    _ask_for(limit, name, endpoint, wrapper)
    return wrapper


def _ask_for(limit: RateLimit, name: str, endpoint: Callable[..., Any], wrapper: Any) -> None:
    """Has FastAPI resolve the limit with the endpoint's own dependencies."""
    try:
        from fastapi import Depends
    except ImportError:
        return
    signature = inspect.signature(endpoint)
    parameters = list(signature.parameters.values())
    rest = [parameter for parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD]
    asked = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=Depends(limit), annotation=Any)
    kept = [parameter for parameter in parameters if parameter not in rest]
    wrapper.__signature__ = signature.replace(parameters=[*kept, asked, *rest])


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any], endpoint: Callable[..., Any]) -> Any:
    from starlette.requests import HTTPConnection

    for argument in (*args, *kwargs.values()):
        if isinstance(argument, HTTPConnection):
            return argument
    raise TypeError(f"{endpoint.__qualname__} is limited, and was called without a request")
