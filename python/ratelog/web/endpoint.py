"""The endpoint of a request, and the limits that were declared on it."""

from __future__ import annotations

import inspect
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .dependency import RateLimitDependency
from .exemption import has_exemption, is_exempt
from .route_table import original, path_of_route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .types import Scope

LIMITS = "__ratelog_limits__"
"""The attribute of a decorated endpoint: its limits, as dependencies."""


class Endpoint(NamedTuple):
    """The endpoint of a request."""

    name: str
    """Methods and path: `GET /users/{id}`."""
    limits: tuple[RateLimitDependency, ...]
    exempt: bool
    target: Any
    """The callable of the route."""
    path_params: Mapping[str, Any] = MappingProxyType({})
    tags: frozenset[str] = frozenset()
    dependant: Any = None
    """FastAPI's description of the endpoint; `None` for Starlette's routes."""


def endpoint_of(route: Any, scope: Scope, prefix: str, overrides: Any) -> Endpoint:
    """Returns the endpoint of a route that matches a request.

    `prefix` is the pattern of the path where its application is mounted, and `overrides` has the dependencies that the
    application overrides.
    """
    endpoint = getattr(route, "endpoint", None)
    route_methods = getattr(route, "methods", None)
    if route_methods:
        methods = sorted(set(route_methods) - {"HEAD"}) or sorted(route_methods)
    else:
        methods = ["WS" if scope["type"] == "websocket" else "*"]
    target = endpoint
    path = path_of_route(route)
    exempt = is_exempt(original(route), path) or is_exempt(endpoint, path)
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
        exempt = exempt or is_exempt(endpoint, path)
    if inspect.isclass(endpoint):
        methods, endpoint = _class_handler(endpoint, scope, methods)
        exempt = exempt or is_exempt(endpoint, path)
    limits: list[RateLimitDependency] = [*getattr(endpoint, LIMITS, ())]
    _collect(getattr(route, "dependant", None), limits, overrides)
    return Endpoint(
        f"{','.join(methods)} {prefix}{path}",
        tuple(limit for limit in dict.fromkeys(limits) if limit not in overrides),
        exempt or has_exemption(getattr(route, "dependant", None)),
        target,
        scope.get("path_params", {}),
        frozenset(map(_tag_name, getattr(route, "tags", None) or ())),
        getattr(route, "dependant", None),
    )


def is_documentation(endpoint: Endpoint) -> bool:
    """Whether the endpoint is a page of FastAPI's documentation, under any path."""
    return getattr(endpoint.target, "__qualname__", "").startswith("FastAPI.setup.<locals>.")


def _tag_name(tag: Any) -> str:
    return str(tag.value if isinstance(tag, Enum) else tag)


def _class_handler(endpoint: Any, scope: Scope, methods: list[str]) -> tuple[list[str], Any]:
    """The method of an endpoint class that Starlette will call."""
    if scope["type"] == "websocket":
        return methods, getattr(endpoint, "on_connect", None)
    method = scope["method"].upper()
    name = "GET" if method == "HEAD" and not hasattr(endpoint, "head") else method
    handler = getattr(endpoint, name.lower(), None)
    return ([name] if handler is not None else methods), handler


def _collect(dependant: Any, limits: list[RateLimitDependency], overrides: Any) -> None:
    for dependency in getattr(dependant, "dependencies", ()):
        if dependency.call in overrides:
            continue
        if isinstance(dependency.call, RateLimitDependency):
            limits.append(dependency.call)
        _collect(dependency, limits, overrides)
