"""Finds the endpoint of a request as the application's router does, and the limits that were declared on it."""

from __future__ import annotations

import inspect
import sys
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .dependency import RateLimitDependency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .types import Scope

LIMITS = "__ratelog_limits__"
"""The attribute of a decorated endpoint: its limits, as dependencies."""
EXEMPT = "__ratelog_exempt__"
"""The attribute of an exempt endpoint."""
_FULL = 2
E = TypeVar("E")


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


class Routes:
    """The routes of one application."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._flat: dict[int, tuple[int, Any, list[Any]]] = {}
        self.match_by_path = True
        """Whether the routes found so far depend on the method and the path only."""

    def find(self, scope: Scope) -> Endpoint | None:
        """Returns the endpoint of a request; `None` if there is none, or if the route is not Starlette's."""
        # Routers modify the scope while they search.
        return self._find(self._app, dict(scope), _mount_path(scope))

    def redirects(self, scope: Scope) -> bool:
        """Whether the router redirects a request that has no endpoint by adding or removing a slash."""
        router = getattr(self._app, "router", self._app)
        path: str = scope["path"]
        if scope["type"] != "http" or not getattr(router, "redirect_slashes", False) or path == "/":
            return False
        other = path.rstrip("/") if path.endswith("/") else f"{path}/"
        return self.find({**scope, "path": other}) is not None

    def convertors(self, method: str, path: str) -> dict[str, Any]:
        """Returns the path convertors of a route, given its path without convertors."""
        for route in self._routes_of(self._app):
            if getattr(route, "path_format", None) == path and method in (getattr(route, "methods", None) or ()):
                convertors: dict[str, Any] = route.param_convertors
                return convertors
        return {}

    def _find(self, app: Any, scope: Scope, prefix: str) -> Endpoint | None:
        overrides = getattr(self._app, "dependency_overrides", None) or ()
        for route in self._routes_of(app):
            match, child_scope = route.matches(scope)
            if match.value != _FULL:
                continue
            scope = {**scope, **child_scope}
            if getattr(route, "dependant", None) is None and getattr(route, "routes", None) is not None:
                path = getattr(route, "path", None) or getattr(route, "host", "")
                return self._find(route, scope, f"{prefix}{path}")
            return _endpoint(route, scope, prefix, overrides)
        return None

    def _routes_of(self, app: Any) -> Sequence[Any]:
        routes = getattr(app, "routes", None)
        if routes is None:
            return ()
        # Routes may be added later. Keeping the application prevents that its id is reused.
        entry = self._flat.get(id(app))
        if entry is None or entry[0] != len(routes):
            entry = (len(routes), app, _flatten(routes))
            self._flat[id(app)] = entry
            self.match_by_path = self.match_by_path and all(map(_matches_by_path, entry[2]))
        return entry[2]


def endpoints_of(app: Any) -> Iterator[Any]:
    """The endpoints of an application, with those of included routers and of mounted applications."""
    for route in _flatten(getattr(app, "routes", None) or ()):
        endpoint = getattr(route, "endpoint", None)
        if endpoint is not None:
            yield endpoint
        else:
            yield from endpoints_of(getattr(route, "app", None) if getattr(route, "routes", None) else None)


def _flatten(routes: Sequence[Any]) -> list[Any]:
    """Replaces included routers, which FastAPI keeps nested since 0.13x, by their routes."""
    contexts = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)
    return list(routes) if contexts is None else list(contexts(routes))


def _matches_by_path(route: Any) -> bool:
    """Whether a route depends on the method and the path only, not on the host or a subclass's own criteria."""
    return not hasattr(route, "host_regex") and route.matches.__module__.split(".")[0] in ("starlette", "fastapi")


def _mount_path(scope: Scope) -> str:
    """The path where an application is mounted. Has the names of parameters, since clients choose their values."""
    root: str = scope.get("root_path", "")
    mounted = root.removeprefix(scope.get("app_root_path", root))
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items() if value}
    return "/".join(names.get(part, part) for part in mounted.split("/"))


def _endpoint(route: Any, scope: Scope, prefix: str, overrides: Any) -> Endpoint:
    endpoint = getattr(route, "endpoint", None)
    route_methods = getattr(route, "methods", None)
    if route_methods:
        methods = sorted(set(route_methods) - {"HEAD"}) or sorted(route_methods)
    else:
        methods = ["WS" if scope["type"] == "websocket" else "*"]
    target = endpoint
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    exempt = bool(getattr(endpoint, EXEMPT, False))
    if inspect.isclass(endpoint):
        methods, endpoint = _class_handler(endpoint, scope, methods)
    path = getattr(route, "path_format", None) or getattr(route, "path", "")
    limits: list[RateLimitDependency] = [*getattr(endpoint, LIMITS, ())]
    _collect(getattr(route, "dependant", None), limits, overrides)
    return Endpoint(
        f"{','.join(methods)} {prefix}{path}",
        tuple(limit for limit in dict.fromkeys(limits) if limit not in overrides),
        exempt or bool(getattr(endpoint, EXEMPT, False)) or _has_exemption(getattr(route, "dependant", None)),
        target,
        scope.get("path_params", {}),
        frozenset(map(_tag_name, getattr(route, "tags", None) or ())),
        getattr(route, "dependant", None),
    )


def exempt(target: E) -> E:
    """Marks an endpoint, or all endpoints of a router, as exempt."""
    if not hasattr(target, "routes"):
        _mark(target)
        return target
    for endpoint in endpoints_of(target):
        _mark(endpoint)
    # For routes that are added later.
    dependencies = getattr(target, "dependencies", None)
    if dependencies is not None:
        from fastapi import Depends

        dependencies.append(Depends(exemption))
    return target


def _tag_name(tag: Any) -> str:
    return str(tag.value if isinstance(tag, Enum) else tag)


def _mark(endpoint: Any) -> None:
    # A bound method has no attributes of its own.
    setattr(getattr(endpoint, "__func__", endpoint), EXEMPT, True)


async def exemption() -> None:
    """A dependency that exempts the endpoints of a router."""


def _has_exemption(dependant: Any) -> bool:
    return any(dependency.call is exemption for dependency in getattr(dependant, "dependencies", ()))


def is_documentation(endpoint: Endpoint) -> bool:
    """Whether the endpoint is a page of FastAPI's documentation, under any path."""
    return getattr(endpoint.target, "__qualname__", "").startswith("FastAPI.setup.<locals>.")


def _class_handler(endpoint: Any, scope: Scope, methods: list[str]) -> tuple[list[str], Any]:
    """The method of an endpoint class that Starlette will call."""
    if scope["type"] == "websocket":
        return methods, getattr(endpoint, "on_connect", None)
    method = scope["method"]
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
