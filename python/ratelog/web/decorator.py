"""Limits as decorators of endpoints."""

from __future__ import annotations

import inspect
from contextlib import aclosing
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
    if inspect.isclass(endpoint):
        raise TypeError(f"the class {endpoint.__qualname__} is limited by its methods: decorate these")
    name = f"{PARAMETER}_{len(getattr(endpoint, LIMITS, ()))}"

    def asked(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The connection whose limit nobody checked; `None`: FastAPI has."""
        if name in kwargs:
            del kwargs[name]
            return None
        if limit.late_key is not None:
            raise TypeError(f"the key of {endpoint.__qualname__} has dependencies, which only FastAPI can call")
        return _connection(args, kwargs, endpoint)

    async def pass_limit(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        connection = asked(args, kwargs)
        if connection is not None:
            await limit.admit(connection)
        return connection

    def pass_limit_in_thread(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        connection = asked(args, kwargs)
        if connection is not None:
            from anyio.from_thread import run

            run(limit.admit, connection)
        return connection

    wrapper: Callable[..., Any]
    if inspect.isasyncgenfunction(endpoint):

        @wraps(endpoint)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            await pass_limit(args, kwargs)
            async with aclosing(endpoint(*args, **kwargs)) as items:
                async for item in items:
                    yield item

    elif inspect.iscoroutinefunction(endpoint):

        @wraps(endpoint)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            connection = await pass_limit(args, kwargs)
            return _told(limit, connection, await endpoint(*args, **kwargs))

    elif inspect.isgeneratorfunction(endpoint):

        @wraps(endpoint)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            pass_limit_in_thread(args, kwargs)
            yield from endpoint(*args, **kwargs)

    else:

        @wraps(endpoint)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            connection = pass_limit_in_thread(args, kwargs)
            return _told(limit, connection, endpoint(*args, **kwargs))

    setattr(wrapper, LIMITS, (*getattr(endpoint, LIMITS, ()), limit))
    _ask_for(limit, name, endpoint, wrapper)
    return wrapper


def _told(limit: RateLimit, connection: Any, response: Any) -> Any:
    """The response, with the header fields where no middleware puts them on it."""
    if connection is not None and response is not None:
        passage = limit.limiter.passage(connection.scope)
        if not passage.has_told:
            from .responses import tell

            tell(passage, response)
    return response


def _ask_for(limit: RateLimit, name: str, endpoint: Callable[..., Any], wrapper: Any) -> None:
    """Has FastAPI resolve the limit with the endpoint's own dependencies."""
    try:
        from fastapi import Depends
    except ImportError:
        return
    signature = _signature(endpoint)
    parameters = list(signature.parameters.values())
    rest = [parameter for parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD]
    asked = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=Depends(limit), annotation=Any)
    kept = [parameter for parameter in parameters if parameter not in rest]
    wrapper.__signature__ = signature.replace(parameters=[*kept, asked, *rest])


def _signature(endpoint: Callable[..., Any]) -> inspect.Signature:
    """With annotations that are text read where the endpoint is: old FastAPIs would read them where the wrapper is."""
    try:
        return inspect.signature(endpoint, eval_str=True)
    except (AttributeError, NameError, TypeError):
        return inspect.signature(endpoint)


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any], endpoint: Callable[..., Any]) -> Any:
    from starlette.requests import HTTPConnection

    for argument in (*args, *kwargs.values()):
        if isinstance(argument, HTTPConnection):
            return argument
    raise TypeError(
        f"{endpoint.__qualname__} is limited, and was called without a request: its __wrapped__ is not limited"
    )
