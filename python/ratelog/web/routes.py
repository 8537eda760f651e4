"""Which endpoint a request is for, as the application's router will find it, and the limits that were declared on
it."""

from __future__ import annotations

import sys
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


class Routes:
    """The routes of one application."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._flat: dict[int, tuple[int, Any, list[Any]]] = {}

    def find(self, scope: Scope) -> Endpoint | None:
        """The endpoint of a request; `None` if there is none, or if it is no route of Starlette's."""
        # Routers leave marks in a scope while they look.
        return self._find(self._app, dict(scope))

    def _find(self, app: Any, scope: Scope) -> Endpoint | None:
        for route in self._of(app):
            match, child = route.matches(scope)
            if match.value != _FULL:
                continue
            scope = {**scope, **child}
            if getattr(route, "dependant", None) is None and getattr(route, "routes", None) is not None:
                return self._find(route, scope)
            root = scope.get("root_path", "").removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
            return _endpoint(route, root)
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
        return known[2]


def _flattened(routes: Sequence[Any]) -> list[Any]:
    """With the routes of included routers in their place, which FastAPI keeps nested since 0.13x."""
    contexts = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)
    return list(routes) if contexts is None else list(contexts(routes))


def _endpoint(route: Any, root: str) -> Endpoint:
    endpoint = getattr(route, "endpoint", None)
    methods = getattr(route, "methods", None)
    words = sorted(set(methods) - {"HEAD"}) or sorted(methods) if methods else ["WS" if methods is None else "*"]
    path = getattr(route, "path_format", None) or getattr(route, "path", "")
    limits: list[RateLimit] = [*getattr(endpoint, LIMITS, ())]
    _collect(getattr(route, "dependant", None), limits)
    return Endpoint(
        f"{','.join(words)} {root}{path}", tuple(dict.fromkeys(limits)), bool(getattr(endpoint, EXEMPT, False))
    )


def _collect(dependant: Any, limits: list[RateLimit]) -> None:
    for dependency in getattr(dependant, "dependencies", ()):
        if isinstance(dependency.call, RateLimit):
            limits.append(dependency.call)
        _collect(dependency, limits)
