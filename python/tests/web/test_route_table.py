"""The routes of an application, and the applications that are mounted in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from ratelog import RateLimiter
from ratelog.web.route_table import RouteTable, endpoints_of
from support.asgi import statuses
from support.starlette_apps import WITH_AND_WITHOUT, app_of, endpoint_of

if TYPE_CHECKING:
    from typing import Any

    from starlette.requests import Request


@WITH_AND_WITHOUT
async def test_a_router_behind_a_middleware_is_limited(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    inner = CORSMiddleware(Router([Route("/{id}", endpoint_of(limiter, "2/minute"))]))
    app = app_of(limiter, middleware, Mount("/t/{tenant}", inner))
    assert await statuses(app, "/t/a/1", "/t/b/2", "/t/c/3") == [200, 200, 429]


async def test_a_route_to_an_asgi_application_has_the_default_limits() -> None:
    limiter = RateLimiter("memory://", default="1/minute")

    class Bare:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("bare")(scope, receive, send)

    app = app_of(limiter, True, Route("/bare", Bare()), Mount("/mounted", Bare()))
    assert await statuses(app, "/bare", "/mounted/x") == [200, 429]


def test_a_table_knows_whether_routes_were_added() -> None:
    def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    inner = Router([Route("/b", endpoint)])
    app = Starlette(routes=[Route("/a", endpoint), Mount("/inner", inner)])
    table = RouteTable.of(app)
    assert [place for place, _ in table.mounts] == [1]
    assert table.is_current
    assert list(endpoints_of(app)) == [endpoint, endpoint]
    app.router.routes.append(Route("/c", endpoint))
    assert not table.is_current
    assert len(RouteTable.of(app).routes) == 3
    # Other frameworks have an attribute of the name, too.
    assert not RouteTable.of(type("Other", (), {"routes": ()})()).routes
