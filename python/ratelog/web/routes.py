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
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .types import Scope

LIMITS = "__ratelog_limits__"
"""The attribute of a decorated endpoint: its limits, as dependencies."""
EXEMPT = "__ratelog_exempt__"
"""The attribute of an exempt route or endpoint: the ends of the paths under which it is; an empty one for all."""
WEBSOCKET = "WEBSOCKET"
_MAX_MIDDLEWARES = 100
"""The middlewares around an application that are followed."""
_PARTIAL, _FULL = 1, 2
"""The values of Starlette's matches. Of a partial match only the method differs."""
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


class _RouteTable(NamedTuple):
    """The routes of an application, with those of included routers in their place."""

    app: Any
    """Keeping the application prevents that its id is reused."""
    lists: tuple[Sequence[Any], ...]
    """The lists of routes that the application and its routers add to."""
    size: int
    routes: Sequence[Any]

    @classmethod
    def of(cls, app: Any) -> _RouteTable:
        lists = tuple(_lists_of(routes_in(app)))
        return cls(app, lists, sum(map(len, lists)), flatten(lists[0]))

    @property
    def is_current(self) -> bool:
        """Whether no route was added since."""
        return sum(map(len, self.lists)) == self.size


class Routes:
    """The routes of one application, and of those that are mounted in it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.errors = 0
        """The number of errors of convertors so far."""
        self._tables: dict[int, _RouteTable] = {}
        self._apps = [app]
        self._lists: list[Sequence[Any]] = []
        self.match_by_path = True
        """Whether the routes found so far depend on the method and the path only."""

    @property
    def size(self) -> int:
        """The number of routes that are known so far. Routes may be added at any time."""
        return sum(map(len, self._lists))

    @property
    def have_overrides(self) -> bool:
        """Whether an application that is known so far overrides dependencies, as tests do."""
        return any(map(_overrides_of, self._apps))

    def find(self, scope: Scope) -> Endpoint | None:
        """Returns the endpoint of a request; `None` if there is none, or if the route is not Starlette's."""
        try:
            # Without the parameters of mounts outside this application, since the endpoint may be cached.
            prefix = self._mount_path(scope)
            app, scope, prefix = self._enter_mounts(self._app, {**scope, "path_params": {}}, prefix)
            route = _first_match(self._routes_of(app), scope, _FULL)
            if route is None:
                return None
            return _endpoint(route, {**scope, **route.matches(scope)[1]}, prefix, _overrides_of(app))
        except Exception:  # noqa: BLE001 - a convertor's error, which the router will raise again
            self.errors += 1
            return None

    def redirects(self, scope: Scope) -> bool:
        """Whether the router redirects a request that has no endpoint by adding or removing a slash."""
        try:
            # Routers modify the scope while they search.
            app, scope, _ = self._enter_mounts(self._app, dict(scope), "")
            router = getattr(app, "router", app)
            path: str = scope["path"]
            is_root = path.removeprefix(scope.get("root_path", "")) == "/"
            if scope["type"] != "http" or not getattr(router, "redirect_slashes", False) or is_root:
                return False
            routes = self._routes_of(app)
            # A path with another method is not redirected.
            if _first_match(routes, scope, _PARTIAL) is not None:
                return False
            other = path.rstrip("/") if path.endswith("/") else f"{path}/"
            return _first_match(routes, {**scope, "path": other}, _PARTIAL) is not None
        except Exception:  # noqa: BLE001 - as above
            return False

    def convertors(self, method: str, path: str) -> dict[str, Any]:
        """Returns the path convertors of a route, given its path without convertors."""
        for route in self._routes_of(self._app):
            if getattr(route, "path_format", None) == path and method in (getattr(route, "methods", None) or ()):
                convertors: dict[str, Any] = route.param_convertors
                return convertors
        return {}

    def _enter_mounts(self, app: Any, scope: Scope, prefix: str, until: str | None = None) -> tuple[Any, Scope, str]:
        """Follows a request into mounted applications, until the root path is `until`.

        Returns the innermost application, the scope there, and the prefix of its paths: the patterns of the mounts.
        """
        while scope.get("root_path", "") != until:
            route = _first_match(self._routes_of(app), scope, _FULL)
            if route is None or not is_mount(route):
                break
            scope = {**scope, **route.matches(scope)[1]}
            prefix += str(getattr(route, "path", None) or getattr(route, "host", ""))
            app = _mounted(route)
        return app, scope, prefix

    def _mount_path(self, scope: Scope) -> str:
        """The pattern of the path where the application is mounted."""
        root: str = scope.get("root_path", "")
        outer = scope.get("app_root_path", root)
        if root == outer:
            return ""
        # The outermost router: those of mounted applications do not replace it.
        start = {**scope, "root_path": outer, "path_params": {}}
        return self._enter_mounts(scope.get("router"), start, "", until=root)[2]

    def _routes_of(self, app: Any) -> Sequence[Any]:
        table = self._tables.get(id(app))
        if table is None or not table.is_current:
            table = _RouteTable.of(app)
            self._tables[id(app)] = table
            self._apps = [self._app, *(table.app for table in self._tables.values())]
            self._lists = [routes for table in self._tables.values() for routes in table.lists]
            self.match_by_path = self.match_by_path and all(map(_matches_by_path, table.routes))
        return table.routes


def path_of(scope: Scope) -> str:
    """The path within the application."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root:
        return path or "/"
    rest = path.removeprefix(root)
    return rest or "/" if not rest or rest.startswith("/") else path


def method_of(scope: Scope) -> str:
    """The method as the settings name it, in upper case; `WEBSOCKET` for a WebSocket, and empty for a request that
    calls itself so.
    """
    if scope["type"] == "websocket":
        return WEBSOCKET
    method: str = scope["method"].upper()
    return "" if method == WEBSOCKET else method


def _overrides_of(app: Any) -> Any:
    return getattr(app, "dependency_overrides", None) or ()


def is_mount(route: Any) -> bool:
    """Whether a route leads to another application."""
    return getattr(route, "endpoint", None) is None and getattr(route, "app", None) is not None


def _mounted(route: Any) -> Any:
    """The application of a mount, without the middlewares around it; the mount if it has no routes."""
    app = routed(getattr(route, "_base_app", None) or getattr(route, "app", None))
    return route if app is None else app


def routed(app: Any) -> Any:
    """Follows middlewares to the application that has routes; `None` if none has."""
    for _ in range(_MAX_MIDDLEWARES):
        if app is None or _has_routes(app):
            return app
        app = getattr(app, "app", None)
    return None


def _has_routes(app: Any) -> bool:
    try:
        return isinstance(getattr(app, "routes", None), list)
    except Exception:  # noqa: BLE001 - a property of another framework
        return False


def routes_in(app: Any) -> Sequence[Any]:
    """The routes of an application, if they are Starlette's. Other frameworks have an attribute of the name, too."""
    return app.routes if _has_routes(app) else ()


def _first_match(routes: Iterable[Any], scope: Scope, least: int) -> Any:
    """The first route that matches a request at least so well; `None` if none does."""
    return next((route for route in routes if route.matches(scope)[0].value >= least), None)


def endpoints_of(app: Any) -> Iterator[Any]:
    """The endpoints of an application, with those of included routers and of mounted applications."""
    for route in _endpoint_routes(app):
        yield route.endpoint


def _endpoint_routes(app: Any) -> Iterator[Any]:
    for route in flatten(routes_in(app)):
        if getattr(route, "endpoint", None) is not None:
            yield route
        elif is_mount(route):
            yield from _endpoint_routes(_mounted(route))


def _lists_of(routes: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """A list of routes, and those of the routers that it includes."""
    yield routes
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            yield from _lists_of(router.routes)


def flatten(routes: Iterable[Any]) -> list[Any]:
    """Replaces included routers, which FastAPI keeps nested since 0.13x, by their routes. Omits those of others."""
    contexts = _route_contexts()
    starlettes = [route for route in routes if callable(getattr(route, "matches", None))]
    return starlettes if contexts is None else list(contexts(starlettes))


def _route_contexts() -> Any:
    """FastAPI's function that flattens included routers; `None` if it copies their routes."""
    return getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)


def _matches_by_path(route: Any) -> bool:
    """Whether a route depends on the method and the path only, not on the host or a subclass's own criteria."""
    return not hasattr(route, "host_regex") and route.matches.__module__.split(".")[0] in ("starlette", "fastapi")


def _endpoint(route: Any, scope: Scope, prefix: str, overrides: Any) -> Endpoint:
    endpoint = getattr(route, "endpoint", None)
    route_methods = getattr(route, "methods", None)
    if route_methods:
        methods = sorted(set(route_methods) - {"HEAD"}) or sorted(route_methods)
    else:
        methods = ["WS" if scope["type"] == "websocket" else "*"]
    target = endpoint
    path = _path_of_route(route)
    exempt = _is_exempt(_original(route), path) or _is_exempt(endpoint, path)
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
        exempt = exempt or _is_exempt(endpoint, path)
    if inspect.isclass(endpoint):
        methods, endpoint = _class_handler(endpoint, scope, methods)
        exempt = exempt or _is_exempt(endpoint, path)
    limits: list[RateLimitDependency] = [*getattr(endpoint, LIMITS, ())]
    _collect(getattr(route, "dependant", None), limits, overrides)
    return Endpoint(
        f"{','.join(methods)} {prefix}{path}",
        tuple(limit for limit in dict.fromkeys(limits) if limit not in overrides),
        exempt or _has_exemption(getattr(route, "dependant", None)),
        target,
        scope.get("path_params", {}),
        frozenset(map(_tag_name, getattr(route, "tags", None) or ())),
        getattr(route, "dependant", None),
    )


def exempt(target: E) -> E:
    """Marks an endpoint, or all endpoints of a router, as exempt."""
    if not hasattr(target, "routes"):
        _mark(target, "")
        return target
    for route in _endpoint_routes(target):
        # Old FastAPIs copy the route when they include the router.
        _mark(route.endpoint if _route_contexts() is None else _original(route), _path_of_route(route))
    # For routes that are added later.
    dependencies = getattr(target, "dependencies", None)
    if dependencies is not None:
        from fastapi import Depends

        dependencies.append(Depends(exemption))
    return target


def _tag_name(tag: Any) -> str:
    return str(tag.value if isinstance(tag, Enum) else tag)


def _original(route: Any) -> Any:
    """The route as it was added to its router."""
    return getattr(route, "original_route", route)


def _path_of_route(route: Any) -> str:
    return str(getattr(route, "path_format", None) or getattr(route, "path", ""))


def _mark(endpoint: Any, path: str) -> None:
    # A bound method has no attributes of its own.
    target = getattr(endpoint, "__func__", endpoint)
    setattr(target, EXEMPT, (*getattr(target, EXEMPT, ()), path))


def _is_exempt(endpoint: Any, path: str) -> bool:
    """Whether an endpoint is exempt under a path, to which a router may have added a prefix."""
    return any(path.endswith(marked) for marked in getattr(endpoint, EXEMPT, ()))


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
