"""Limits as decorators of endpoints."""

from __future__ import annotations

import inspect
from contextlib import aclosing
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .callables import evaluated_signature
from .endpoint import LIMITS
from .misuse import reject_routed, reject_router

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dependency import RateLimitDependency

PARAMETER = "ratelog_decision"
"""The parameter that the decorator adds for FastAPI."""

F = TypeVar("F", bound="Callable[..., Any]")


class Decorator(Protocol):
    """A decorator that returns a function with the same parameters."""

    def __call__(self, endpoint: F, /) -> F: ...


def decorate(endpoint: Callable[..., Any], dependency: RateLimitDependency) -> Callable[..., Any]:
    """Wraps an endpoint to enforce a limit.

    In FastAPI the limit is a dependency: an added parameter, which is not passed to the endpoint. In Starlette the
    wrapper finds the request among the endpoint's arguments.
    """
    reject_router(endpoint)
    registry = dependency.enforcer.registry
    reject_routed(endpoint, registry.apps)
    if inspect.isclass(endpoint):
        raise TypeError(f"decorate the methods of the class {endpoint.__qualname__}, not the class")
    name = f"{PARAMETER}_{len(getattr(endpoint, LIMITS, ()))}"

    def unchecked_connection(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Returns the connection if its limit has yet to be checked; `None` if FastAPI has checked it."""
        if name in kwargs:
            del kwargs[name]
            return None
        functions = dependency.dependencies()
        if functions:
            raise TypeError(
                f"the {next(iter(functions))} function of {endpoint.__qualname__} has dependencies, which only FastAPI "
                "can resolve"
            )
        return _find_connection(args, kwargs, endpoint)

    async def enforce(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        connection = unchecked_connection(args, kwargs)
        if connection is not None:
            await dependency.enforce(connection)
        return connection

    def enforce_in_thread(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        connection = unchecked_connection(args, kwargs)
        if connection is not None:
            from anyio.from_thread import run

            run(dependency.enforce, connection)
        return connection

    wrapper: Callable[..., Any]
    if inspect.isasyncgenfunction(endpoint):

        @wraps(endpoint)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            await enforce(args, kwargs)
            async with aclosing(endpoint(*args, **kwargs)) as items:
                async for item in items:
                    yield item

    elif inspect.iscoroutinefunction(endpoint):

        @wraps(endpoint)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            connection = await enforce(args, kwargs)
            return _with_headers(dependency, connection, await endpoint(*args, **kwargs))

    elif inspect.isgeneratorfunction(endpoint):

        @wraps(endpoint)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            enforce_in_thread(args, kwargs)
            yield from endpoint(*args, **kwargs)

    else:

        @wraps(endpoint)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            connection = enforce_in_thread(args, kwargs)
            return _with_headers(dependency, connection, endpoint(*args, **kwargs))

    registry.decorated.append((endpoint, wrapper))
    setattr(wrapper, LIMITS, (*getattr(endpoint, LIMITS, ()), dependency))
    _add_parameter(dependency, name, endpoint, wrapper)
    return wrapper


def _with_headers(dependency: RateLimitDependency, connection: Any, response: Any) -> Any:
    """Adds the headers to a response that the endpoint returns, if neither FastAPI nor a middleware does."""
    from .endpoint_headers import with_headers

    return with_headers(None if connection is None else dependency.enforcer.state(connection.scope), response)


def _add_parameter(dependency: RateLimitDependency, name: str, endpoint: Callable[..., Any], wrapper: Any) -> None:
    """Adds a parameter that makes FastAPI resolve the limit with the endpoint's own dependencies."""
    try:
        from fastapi import Depends
    except ImportError:
        return
    signature = evaluated_signature(endpoint)
    parameters = list(signature.parameters.values())
    var_keyword = [parameter for parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD]
    others = [parameter for parameter in parameters if parameter not in var_keyword]
    added = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=Depends(dependency), annotation=Any)
    wrapper.__signature__ = signature.replace(parameters=[*others, added, *var_keyword])


def _find_connection(args: tuple[Any, ...], kwargs: dict[str, Any], endpoint: Callable[..., Any]) -> Any:
    from starlette.requests import HTTPConnection

    for argument in (*args, *kwargs.values()):
        if isinstance(argument, HTTPConnection):
            return argument
    raise TypeError(
        f"{endpoint.__qualname__} is rate limited and was called without a request; call its __wrapped__ instead"
    )
