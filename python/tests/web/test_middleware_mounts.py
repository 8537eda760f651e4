"""The middleware with several limiters, mounted applications and root paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.testclient import TestClient

from ratelog import RateLimiter, RateLimitMiddleware
from support.apps import protected
from support.asgi import fetch, recording_limiter, remaining, statuses

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


async def test_two_middlewares_of_one_limiter_count_once() -> None:
    limiter = RateLimiter("memory://", default="10/minute")
    app = protected(limiter)
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
    response = await fetch(app, "/a")
    assert remaining(response) == {"10/minute": 9}
    assert len(response.headers.get_list("ratelimit")) == 1


async def test_two_limiters_each_count_and_add_headers() -> None:
    app = protected(RateLimiter("memory://", default="10/minute"))
    app.add_middleware(RateLimitMiddleware, limiter=RateLimiter("memory://", default="5/hour"))
    assert remaining(await fetch(app, "/a")) == {"10/minute": 9, "5/hour": 4}


async def test_a_mounted_application_with_the_same_limiter_counts_once() -> None:
    limiter = RateLimiter("memory://", default="10/minute")
    app, sub = FastAPI(), FastAPI()
    limiter.protect(app)
    limiter.protect(sub)

    @sub.get("/s")
    @limiter.limit("2/minute")
    def s() -> int:
        return 1

    app.mount("/sub", sub)
    response = await fetch(app, "/sub/s")
    assert remaining(response) == {"10/minute": 9, "2/minute": 1}
    assert len(response.headers.get_list("ratelimit")) == 1


async def test_a_mounted_application_with_another_limiter_is_limited_by_both() -> None:
    outer, inner = RateLimiter("memory://", default="10/minute"), RateLimiter("memory://", default="1/hour")
    app = FastAPI()
    outer.protect(app)
    app.mount("/sub", protected(inner))
    assert await statuses(app, "/sub/a", "/sub/a") == [200, 429]
    assert remaining(await fetch(app, "/nope")) == {"10/minute": 7}


async def test_a_path_that_the_outer_application_exempts_is_exempt_in_a_mounted_one() -> None:
    limiter = RateLimiter("memory://", default="1/minute", exempt=["/sub/a"])
    app = FastAPI()
    limiter.protect(app)
    app.mount("/sub", protected(limiter))
    assert await statuses(app, "/sub/a", "/sub/a") == [200, 200]


async def test_a_proxys_root_path_is_not_part_of_the_path() -> None:
    app = protected(RateLimiter("memory://", default="1/minute", exempt=["/a"]))
    assert await statuses(app, "/api/a", "/api/a", "/api/b", "/api/b", root_path="/api") == [200, 200, 200, 429]


async def test_a_redirect_from_the_root_path_is_not_counted() -> None:
    app = protected(RateLimiter("memory://", default="1/hour"))
    app.get("/")(lambda: 1)
    assert await statuses(app, "/api", "/api/", "/api/", root_path="/api") == [307, 200, 429]


async def test_a_root_path_matches_whole_segments_only() -> None:
    app = protected(RateLimiter("memory://", default="1/minute", exempt=["/a"]))
    assert await statuses(app, "/api/x/a", "/apix/a", root_path="/api/x") == [200, 404]
    assert await statuses(app, "/apix/a", root_path="/api") == [429]


@pytest.mark.parametrize("middleware", ["outer", "inner", "none"])
async def test_the_scope_in_a_mounted_application_has_no_values_of_the_path(middleware: str) -> None:
    limiter, keys = recording_limiter()
    app, sub = FastAPI(), FastAPI()
    app.mount("/v1/{tenant:int}", sub)
    sub.get("/{item}", dependencies=[Depends(limiter("1/hour"))])(lambda: 1)
    if middleware != "none":
        limiter.protect(app if middleware == "outer" else sub)
    # Each is the number 1, or a part of the mount's pattern.
    assert await statuses(app, "/v1/7/a", "/v1/007/b", "/v1/0/v1", "/v1/1/1") == [200, 429, 429, 429]
    assert len(set(keys)) == 1
    assert keys[0].endswith(":GET /v1/{tenant:int}/{item}")


async def test_the_scope_behind_several_mounts_has_the_patterns_of_all() -> None:
    limiter, keys = recording_limiter()
    sub = FastAPI()
    sub.get("/x", dependencies=[Depends(limiter("1/hour"))])(lambda: 1)
    inner = Starlette(routes=[Mount("/{b}", CORSMiddleware(sub))])
    app = Starlette(routes=[Host("{name}.example.com", Router([Mount("/a", inner)]))])
    assert await statuses(app, "/proxy/a/1/x", "/proxy/a/2/x", root_path="/proxy") == [200, 429]
    assert {key.split("}:")[1] for key in keys} == {"GET {name}.example.com/a/{b}/x"}


async def test_overrides_of_a_mounted_application_apply_to_its_limits() -> None:
    limiter = RateLimiter("memory://")
    app, sub = FastAPI(), FastAPI()
    limiter.protect(app)
    limit = limiter("1/hour")
    sub.get("/x", dependencies=[Depends(limit)])(lambda: 1)
    app.mount("/sub", sub)
    assert await statuses(app, "/sub/x", "/sub/x") == [200, 429]
    sub.dependency_overrides[limit] = lambda: None
    assert await statuses(app, "/sub/x", "/sub/x") == [200, 200]
    sub.dependency_overrides = {}
    assert await statuses(app, "/sub/x") == [429]


async def test_a_mounted_application_is_limited_where_a_route_differs_by_a_slash() -> None:
    app = protected(RateLimiter("memory://", default="2/hour"))

    async def other(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("other")(scope, receive, send)

    app.mount("/", other)
    assert await statuses(app, "/a/", "/b/", "/a/") == [200, 200, 429]


async def test_a_mounted_application_redirects_by_its_own_setting() -> None:
    for redirects, expected in ((True, [307, 307, 307]), (False, [404, 429, 429])):
        app, sub = FastAPI(), FastAPI(redirect_slashes=redirects)
        RateLimiter("memory://", default="1/hour").protect(app)
        sub.get("/x")(lambda: 1)
        app.mount("/api", sub)
        assert await statuses(app, *["/api/x/"] * 3) == expected


async def test_routes_that_are_added_to_a_router_or_a_mounted_application_later_are_found() -> None:
    app, sub, router = FastAPI(), FastAPI(), APIRouter()
    RateLimiter("memory://", default_per_endpoint="1/hour").protect(app)
    app.mount("/sub", sub)
    sub.get("/first")(lambda: 1)
    router.get("/first")(lambda: 1)
    app.include_router(router, prefix="/router")
    assert await statuses(app, "/sub/first", "/router/first", "/sub/late", "/router/late") == [200, 200, 404, 404]
    sub.get("/late")(lambda: 1)
    router.get("/late")(lambda: 1)
    assert await statuses(app, "/sub/late", "/sub/late") == [200, 429]
    if (await fetch(app, "/router/late", ip="192.0.2.2")).status_code == 404:
        # FastAPI before 0.13x copies the routes of a router that it includes.
        return
    assert await statuses(app, "/router/late", "/router/late") == [200, 429]


async def test_functions_find_the_parameters_of_the_mount_without_an_endpoint() -> None:
    limiter = RateLimiter("memory://", default="1/minute", key="tenant")
    app = FastAPI()
    app.mount("/{tenant}", protected(limiter))

    @limiter.key("tenant")
    def tenant(connection: HTTPConnection) -> str:
        name: str = connection.path_params["tenant"]
        return name

    assert await statuses(app, "/acme/nope", "/acme/nope", "/other/a", "/other/a") == [404, 429, 200, 429]


async def test_parameters_of_a_host_outside_the_application_are_those_of_the_request() -> None:
    limiter = RateLimiter("memory://", default="1/minute", key="tenant")

    @limiter.key("tenant")
    def tenant(connection: HTTPConnection) -> str:
        name: str = connection.path_params["tenant"]
        return name

    app = Starlette(routes=[Host("{tenant}.example.com", protected(limiter))])
    for name in ("a", "b"):
        headers = {"host": f"{name}.example.com"}
        assert await statuses(app, "/a", "/a", headers=headers) == [200, 429]


@pytest.mark.parametrize("mounted", [True, False])
async def test_routes_of_another_framework_have_the_default(mounted: bool) -> None:
    class Other:
        routes = (object(),)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("other")(scope, receive, send)

    class OtherWithList(Other):
        routes = [object()]  # type: ignore[assignment]  # noqa: RUF012 - as that framework has it

    for other in (Other(), OtherWithList()):
        limiter = RateLimiter("memory://", default="1/minute")
        app: Any = RateLimitMiddleware(other, limiter)
        if mounted:
            app = protected(limiter)
            app.mount("/f", other)
        assert await statuses(app, "/f/x", "/f/x") == [200, 429]


@pytest.mark.parametrize("mounted", [True, False])
async def test_the_endpoints_behind_another_middleware_are_found(mounted: bool) -> None:
    limiter = RateLimiter("memory://", default_per_endpoint="1/hour")
    inner = FastAPI()
    inner.get("/x")(lambda: 1)
    inner.get("/free")(limiter.exempt(lambda: 1))
    wrapped = CORSMiddleware(inner)
    app: Any = RateLimitMiddleware(wrapped, limiter)
    prefix = ""
    if mounted:
        app, prefix = protected(limiter), "/s"
        app.mount(prefix, wrapped)
    paths = [f"{prefix}/{name}" for name in ("x", "x", "free", "free")]
    assert await statuses(app, *paths) == [200, 429, 200, 200]


async def test_an_application_with_a_host_can_be_protected() -> None:
    app = protected(RateLimiter("memory://", default="1/hour"))
    app.host("{name}.example.com", FastAPI())
    with TestClient(app) as client:
        assert client.get("/openapi.json").status_code == 200


async def test_the_middleware_of_a_mount_finds_the_endpoints_of_its_application() -> None:
    limiter = RateLimiter("memory://", default_per_endpoint="1/hour", default="3/hour")
    inner = FastAPI()
    inner.get("/x")(lambda: 1)
    inner.get("/free")(limiter.exempt(lambda: 1))
    by_mount = Mount("/m", inner, middleware=[Middleware(RateLimitMiddleware, limiter=limiter)])
    outer = Starlette(routes=[Mount("/s", RateLimitMiddleware(inner, limiter)), by_mount])
    outer.router.routes.append(Route("/x", limiter.exempt(lambda _: PlainTextResponse("outer"))))
    for prefix, ip in (("/s", "192.0.2.1"), ("/m", "192.0.2.2")):
        paths = [f"{prefix}/{name}" for name in ("x", "x", "free", "free", "free")]
        assert await statuses(outer, *paths, ip=ip) == [200, 429, 200, 200, 200]


async def test_a_property_of_another_framework_may_fail() -> None:
    class Other:
        openapi = None

        @property
        def routes(self) -> Any:
            raise RuntimeError("not started")

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("other")(scope, receive, send)

    limiter = RateLimiter("memory://", default="1/minute")
    assert await statuses(RateLimitMiddleware(Other(), limiter), "/x", "/x") == [200, 429]
    app = protected(RateLimiter("memory://", default="1/minute"))
    app.mount("/f", Other())
    with TestClient(app) as client:
        assert [client.get("/f/x").status_code for _ in range(2)] == [200, 429]
