"""Finds the endpoint of a request as the application's router does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .endpoint import Endpoint, endpoint_of
from .route_table import FULL, PARTIAL, RouteTable, first_match, is_mount, mounted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .types import Scope


class Routes:
    """The routes of one application, and of those that are mounted in it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.errors = 0
        """The number of errors of convertors so far."""
        self._tables: dict[int, RouteTable] = {}
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
            route = first_match(self._routes_of(app), scope, FULL)
            if route is None:
                return None
            return endpoint_of(route, {**scope, **route.matches(scope)[1]}, prefix, _overrides_of(app))
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
            if first_match(routes, scope, PARTIAL) is not None:
                return False
            other = path.rstrip("/") if path.endswith("/") else f"{path}/"
            return first_match(routes, {**scope, "path": other}, PARTIAL) is not None
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
            route = first_match(self._routes_of(app), scope, FULL)
            if route is None or not is_mount(route):
                break
            scope = {**scope, **route.matches(scope)[1]}
            prefix += str(getattr(route, "path", None) or getattr(route, "host", ""))
            app = mounted(route)
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
            table = RouteTable.of(app)
            self._tables[id(app)] = table
            self._apps = [self._app, *(table.app for table in self._tables.values())]
            self._lists = [routes for table in self._tables.values() for routes in table.lists]
            self.match_by_path = self.match_by_path and all(map(_matches_by_path, table.routes))
        return table.routes


def _overrides_of(app: Any) -> Any:
    return getattr(app, "dependency_overrides", None) or ()


def _matches_by_path(route: Any) -> bool:
    """Whether a route depends on the method and the path only, not on the host or a subclass's own criteria."""
    return not hasattr(route, "host_regex") and route.matches.__module__.split(".")[0] in ("starlette", "fastapi")
