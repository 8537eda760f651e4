"""Which endpoint a request is for, as the application's router will find it, and the limits that were declared on
it."""

from __future__ import annotations

import inspect
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .types import Scope

LIMITS = "__ratelog_limits__"
EXEMPT = "__ratelog_exempt__"
_FULL = 2


class Endpoint(NamedTuple):
    """Where a request goes."""

    name: str
    """Methods and path: `GET /users/{id}`."""
    limits: tuple[RateLimit, ...]
    exempt: bool
    target: Any
    """What the route calls."""


class Routes:
    """The routes of one application."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._flat: dict[int, tuple[int, Any, list[Any]]] = {}
        self.go_by_path = True
        """Whether method and path alone tell the endpoint, as far as was seen."""

    def find(self, scope: Scope) -> Endpoint | None:
        """The endpoint of a request; `None` if there is none, or if it is no route of Starlette's."""
        # Routers leave marks in a scope while they look.
        return self._find(self._app, dict(scope), _root(scope))

    def convertors(self, method: str, path: str) -> dict[str, Any]:
        """How the parameters of a route are written, which is known by its path without convertors."""
        for route in self._of(self._app):
            if getattr(route, "path_format", None) == path and method in (getattr(route, "methods", None) or ()):
                known: dict[str, Any] = route.param_convertors
                return known
        return {}

    def _find(self, app: Any, scope: Scope, above: str) -> Endpoint | None:
        overridden = getattr(self._app, "dependency_overrides", ())
        for route in self._of(app):
            match, child = route.matches(scope)
            if match.value != _FULL:
                continue
            scope = {**scope, **child}
            if getattr(route, "dependant", None) is None and getattr(route, "routes", None) is not None:
                return self._find(route, scope, f"{above}{getattr(route, 'path', None) or getattr(route, 'host', '')}")
            return _endpoint(route, scope, above, overridden)
        return None

    def _of(self, app: Any) -> Sequence[Any]:
        routes = getattr(app, "routes", None)
        if routes is None:
            return ()
        # A route that is added later is seen; the application is kept, so that its id is its own.
        known = self._flat.get(id(app))
        if known is None or known[0] != len(routes):
            known = (len(routes), app, _flattened(routes))
            self._flat[id(app)] = known
            self.go_by_path = self.go_by_path and all(map(_goes_by_path, known[2]))
        return known[2]


def _flattened(routes: Sequence[Any]) -> list[Any]:
    """With the routes of included routers in their place, which FastAPI keeps nested since 0.13x."""
    contexts = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)
    return list(routes) if contexts is None else list(contexts(routes))


def _goes_by_path(route: Any) -> bool:
    """Whether a route looks at nothing but method and path: not at the host, nor at what a subclass may look at."""
    return not hasattr(route, "host_regex") and route.matches.__module__.split(".")[0] in ("starlette", "fastapi")


def _root(scope: Scope) -> str:
    """Where an application is mounted, with the names of parameters, whose values are the client's choice."""
    root: str = scope.get("root_path", "")
    mounted = root.removeprefix(scope.get("app_root_path", root))
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items() if value}
    return "/".join(names.get(part, part) for part in mounted.split("/"))


def _endpoint(route: Any, scope: Scope, above: str, overridden: Any) -> Endpoint:
    endpoint = getattr(route, "endpoint", None)
    methods = getattr(route, "methods", None)
    if methods:
        words = sorted(set(methods) - {"HEAD"}) or sorted(methods)
    else:
        words = ["WS" if scope["type"] == "websocket" else "*"]
    target = endpoint
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    exempt = bool(getattr(endpoint, EXEMPT, False))
    if inspect.isclass(endpoint):
        words, endpoint = _of_class(endpoint, scope, words)
    path = getattr(route, "path_format", None) or getattr(route, "path", "")
    limits: list[RateLimit] = [*getattr(endpoint, LIMITS, ())]
    _collect(getattr(route, "dependant", None), limits, overridden)
    return Endpoint(
        f"{','.join(words)} {above}{path}",
        tuple(limit for limit in dict.fromkeys(limits) if limit not in overridden),
        exempt or bool(getattr(endpoint, EXEMPT, False)),
        target,
    )


def _of_class(endpoint: Any, scope: Scope, words: list[str]) -> tuple[list[str], Any]:
    """The method of a class that a request is for, as Starlette will choose it."""
    if scope["type"] == "websocket":
        return words, getattr(endpoint, "on_connect", None)
    method = scope["method"]
    name = "GET" if method == "HEAD" and not hasattr(endpoint, "head") else method
    handler = getattr(endpoint, name.lower(), None)
    return ([name] if handler is not None else words), handler


def _collect(dependant: Any, limits: list[RateLimit], overridden: Any) -> None:
    for dependency in getattr(dependant, "dependencies", ()):
        if dependency.call in overridden:
            continue
        if isinstance(dependency.call, RateLimit):
            limits.append(dependency.call)
        _collect(dependency, limits, overridden)
