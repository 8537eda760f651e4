"""The application that handles a request: the middleware responds with its exception handlers and its CORS headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Router

from .route_table import RouteTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .types import ASGIApp, Scope


_MAX_STEPS = 1000
"""The middlewares and applications that are followed: an application of another framework may refer to itself."""


class Owner(NamedTuple):
    """The innermost Starlette application that handles a request."""

    app: Any
    """`None` if there is none."""
    scope: Scope
    """The values that the mounts on the way change."""
    cors: Sequence[CORSMiddleware]
    """Those on the way to the endpoint, the outermost first."""


class OwnerFinder:
    """Finds the owners of requests that reach one middleware."""

    def __init__(self, app: ASGIApp) -> None:
        """`app` is the application inside the middleware."""
        self._app = app
        self._tables: dict[int, RouteTable] = {}

    def find(self, scope: Scope) -> Owner:
        """Follows a request through middlewares and mounts."""
        owner: Any = scope.get("app")
        cors: list[CORSMiddleware] = []
        # Routers modify the scope while they search.
        inner = dict(scope)
        app: Any = self._app
        for _ in range(_MAX_STEPS):
            if isinstance(app, Starlette):
                inside: Any = app.router if app is owner else _stack_of(app)
                app, owner = inside, app
            elif isinstance(app, Router):
                try:
                    app = self._mounted(app, inner)
                except Exception:  # noqa: BLE001 - a convertor's error: the router is not asked, as the request is denied
                    app = None
            else:
                if isinstance(app, CORSMiddleware):
                    cors.append(app)
                app = getattr(app, "app", None)
            if app is None:
                break
        changed: Scope = {name: inner[name] for name in ("root_path", "app_root_path", "path_params") if name in inner}
        return Owner(owner, changed, cors)

    def _mounted(self, router: Router, scope: Scope) -> Any:
        """Returns the mounted application that handles a request, if one does, and enters it in the scope."""
        table = self._table_of(router)
        # Most applications have few mounts, so the other routes are matched only if a mount matches.
        for place, mount in table.mounts:
            match, child_scope = mount.matches(scope)
            if match == Match.FULL:
                if any(route.matches(scope)[0] == Match.FULL for route in table.routes[:place]):
                    return None
                scope.update(child_scope)
                return mount.app
        return None

    def _table_of(self, router: Router) -> RouteTable:
        table = self._tables.get(id(router))
        if table is None or not table.is_current:
            table = self._tables[id(router)] = RouteTable.of(router)
        return table


def _stack_of(app: Starlette) -> Any:
    """The middlewares of an application, which builds them with its first request."""
    if app.middleware_stack is None:
        app.middleware_stack = app.build_middleware_stack()
    return app.middleware_stack
