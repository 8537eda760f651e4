"""Starlette applications without FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router

from ratelog import RateLimiter
from support.asgi import client_for, fetch, remaining, statuses
from support.starlette_apps import WITH_AND_WITHOUT, app_of, endpoint_of

if TYPE_CHECKING:
    from typing import Any


@WITH_AND_WITHOUT
async def test_a_mount_is_named_by_its_pattern(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    inner = [Route("/{id}", endpoint_of(limiter, "2/minute"))]
    app = app_of(limiter, middleware, Mount("/t/{tenant}", routes=inner))
    assert await statuses(app, "/t/a/1", "/t/b/2", "/t/c/3") == [200, 200, 429]


async def test_a_mounted_endpoint_is_distinct_from_one_with_the_same_path() -> None:
    limiter = RateLimiter("memory://")

    @limiter.exempt
    async def free(request: Request) -> PlainTextResponse:
        return PlainTextResponse("free")

    inner = Mount("/deep", routes=[Route("/s", endpoint_of(limiter, "1/minute"))])
    app = app_of(limiter, False, Route("/s", free), Mount("/sub", routes=[inner]))
    assert await statuses(app, "/sub/deep/s", "/sub/deep/s", "/s") == [200, 429, 200]


async def test_hosts_have_separate_limits() -> None:
    limiter = RateLimiter("memory://")
    one, other = (Router([Route("/", endpoint_of(limiter, limits))]) for limits in ("1/minute", "2/minute"))
    app = app_of(limiter, True, Host("a.example.com", one), Host("b.example.com", other))

    async def of(host: str) -> list[int]:
        async with client_for(app) as client:
            return [(await client.get("/", headers={"host": host})).status_code for _ in range(3)]

    assert await of("a.example.com") == [200, 429, 429]
    assert await of("b.example.com") == [200, 200, 429]


async def test_a_route_with_other_criteria_is_matched_each_time() -> None:
    class ByVersion(Route):
        def matches(self, scope: Any) -> Any:
            match, child = super().matches(scope)
            wanted = (b"x-version", self.name.encode()) in scope["headers"]
            return (match, child) if wanted else (type(match)(0), {})

    limiter = RateLimiter("memory://")
    routes = [ByVersion("/", endpoint_of(limiter, f"{name}/minute"), name=name) for name in ("1", "2")]
    app = app_of(limiter, True, *routes)
    assert await statuses(app, "/", "/", headers={"x-version": "1"}) == [200, 429]
    assert remaining(await fetch(app, "/", ip="192.0.2.9", headers={"x-version": "2"})) == {"2/minute": 1}


async def test_limits_without_routing_have_units_of_their_own() -> None:
    limiter = RateLimiter("memory://")
    login, search = limiter("1/minute"), limiter("9/minute")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        limit = login if scope["path"] == "/login" else search
        try:
            await limit.enforce(Request(scope))
        except HTTPException as error:
            await PlainTextResponse("denied", error.status_code)(scope, receive, send)
        else:
            await PlainTextResponse("ok")(scope, receive, send)

    assert await statuses(app, "/search", "/a", "/login", "/login", "/b") == [200, 200, 200, 429, 200]


async def test_a_limit_can_be_enforced_without_routing() -> None:
    limiter = RateLimiter("memory://")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        from starlette.requests import Request

        assert await limit.enforce(Request(scope)) is not None
        await PlainTextResponse("ok")(scope, receive, send)

    limit = limiter("2/minute")
    # Clients choose the path, so it does not matter.
    assert await statuses(app, "/a", "/b") == [200, 200]
    with pytest.raises(Exception, match="quota has been exceeded"):
        await fetch(app, "/a")
