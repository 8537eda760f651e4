"""The routes of an application, with those of included routers, and the applications that are mounted in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .types import Scope

PARTIAL, FULL = 1, 2
"""The values of Starlette's matches. Of a partial match only the method differs."""
_MAX_MIDDLEWARES = 100
"""The middlewares around an application that are followed."""


class RouteTable(NamedTuple):
    """The routes of an application or a router, with those of included routers in their place."""

    app: Any
    """Keeping it prevents that its id is reused."""
    lists: tuple[Sequence[Any], ...]
    """The lists of routes that the application and its routers add to."""
    size: int
    routes: Sequence[Any]
    mounts: Sequence[tuple[int, Any]]
    """The routes that lead to other applications, with their places."""

    @classmethod
    def of(cls, app: Any) -> RouteTable:
        """Reads the routes that an application has now."""
        lists = tuple(_lists_of(routes_in(app)))
        routes = _flatten(lists[0])
        mounts = [(place, route) for place, route in enumerate(routes) if is_mount(route)]
        return cls(app, lists, sum(map(len, lists)), routes, mounts)

    @property
    def is_current(self) -> bool:
        """Whether no route was added since."""
        return sum(map(len, self.lists)) == self.size


def first_match(routes: Iterable[Any], scope: Scope, least: int) -> Any:
    """The first route that matches a request at least so well; `None` if none does."""
    return next((route for route in routes if route.matches(scope)[0].value >= least), None)


def is_mount(route: Any) -> bool:
    """Whether a route leads to another application."""
    return getattr(route, "endpoint", None) is None and getattr(route, "app", None) is not None


def mounted(route: Any) -> Any:
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


def endpoints_of(app: Any) -> Iterator[Any]:
    """The endpoints of an application, with those of included routers and of mounted applications."""
    for route in endpoint_routes(app):
        yield route.endpoint


def endpoint_routes(app: Any) -> Iterator[Any]:
    """The routes of those endpoints."""
    for route in _flatten(routes_in(app)):
        if getattr(route, "endpoint", None) is not None:
            yield route
        elif is_mount(route):
            yield from endpoint_routes(mounted(route))


def _lists_of(routes: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """A list of routes, and those of the routers that it includes."""
    yield routes
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            yield from _lists_of(router.routes)


def _flatten(routes: Iterable[Any]) -> list[Any]:
    """Replaces included routers, which FastAPI keeps nested since 0.13x, by their routes. Omits those of others."""
    contexts = route_contexts()
    starlettes = [route for route in routes if callable(getattr(route, "matches", None))]
    return starlettes if contexts is None else list(contexts(starlettes))


def route_contexts() -> Any:
    """FastAPI's function that flattens included routers; `None` if it copies their routes."""
    return getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)


def original(route: Any) -> Any:
    """The route as it was added to its router."""
    return getattr(route, "original_route", route)


def path_of_route(route: Any) -> str:
    """The path of a route without convertors."""
    return str(getattr(route, "path_format", None) or getattr(route, "path", ""))
