"""Starlette applications without FastAPI."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router

from ratelog import RateLimiter
from support.asgi import client_for, fetch, remaining, status_of, statuses

if TYPE_CHECKING:
    from typing import Any

WITH_AND_WITHOUT = pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "no middleware"])


def app_of(limiter: RateLimiter, middleware: bool, *routes: Any) -> Starlette:
    app = Starlette(routes=routes)
    if middleware:
        limiter.protect(app)
    return app


def endpoint_of(limiter: RateLimiter, limits: str, **options: Any) -> Any:
    @limiter.limit(limits, **options)
    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return endpoint


@WITH_AND_WITHOUT
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_decorated_endpoint_is_limited_and_has_headers(middleware: bool, asynchronous: bool) -> None:
    limiter = RateLimiter("memory://")

    def sync(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def later(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    endpoint = limiter.limit("5/minute")(limiter.limit("1/hour", key="api_key")(later if asynchronous else sync))
    app = app_of(limiter, middleware, Route("/", endpoint))
    first, second = await fetch(app, "/"), await fetch(app, "/")
    for response, status in ((first, 200), (second, 429)):
        assert response.status_code == status
        assert remaining(response) == {"1/hour": 0, "5/minute": 4}
        assert len(response.headers.get_list("ratelimit")) == 1
    assert second.headers["content-type"] == "application/problem+json"


@WITH_AND_WITHOUT
async def test_methods_of_a_class_are_limited_by_route(middleware: bool) -> None:
    limiter = RateLimiter("memory://")

    class Endpoint(HTTPEndpoint):
        @limiter.limit("2/minute")
        @limiter.limit("9/hour")
        async def get(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("got")

        def post(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("posted")

    app = app_of(limiter, middleware, Route("/items/{id}", Endpoint))
    first = await fetch(app, "/items/1")
    assert remaining(first) == {"9/hour": 8, "2/minute": 1}
    assert await statuses(app, "/items/2", "/items/3") == [200, 429]
    assert (await fetch(app, "/items/4", "HEAD")).status_code == 429
    assert (await fetch(app, "/items/4", "POST")).status_code == 200
    assert (await fetch(app, "/items/4", "PATCH")).status_code == 405


@WITH_AND_WITHOUT
async def test_the_case_of_a_method_does_not_evade_a_limit(middleware: bool) -> None:
    limiter = RateLimiter("memory://")

    class Endpoint(HTTPEndpoint):
        @limiter.limit("1/hour", methods=["POST"])
        async def post(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("posted")

        async def dispatch(self) -> None:
            # As in Starlette before 0.46: a method in any case finds its handler.
            request = Request(self.scope, self.receive)
            response = await getattr(self, request.method.lower())(request)
            await response(self.scope, self.receive, self.send)

    app = app_of(limiter, middleware, Route("/x", Endpoint))
    scope: dict[str, Any] = {"type": "http", "path": "/x", "headers": [], "client": None, "query_string": b""}
    methods = ("POST", "post", "Post")
    assert [await status_of(app, {**scope, "method": method}) for method in methods] == [200, 429, 429]


async def test_an_exempt_class_is_exempt() -> None:
    limiter = RateLimiter("memory://", default="1/minute")

    @limiter.exempt
    class Endpoint(HTTPEndpoint):
        async def get(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("got")

    assert await statuses(app_of(limiter, True, Route("/", Endpoint)), "/", "/") == [200, 200]


async def test_an_exempt_partial_endpoint_is_exempt_and_its_function_is_not() -> None:
    async def endpoint(request: Request, word: str) -> PlainTextResponse:
        return PlainTextResponse(word)

    limiter = RateLimiter("memory://", default="1/minute")
    free, limited = limiter.exempt(partial(endpoint, word="a")), partial(endpoint, word="b")
    app = app_of(limiter, True, Route("/free", free), Route("/limited", limited))
    assert await statuses(app, "/free", "/free", "/limited", "/limited") == [200, 200, 200, 429]


@WITH_AND_WITHOUT
async def test_a_partial_endpoint_is_limited_by_route(middleware: bool) -> None:
    limiter = RateLimiter("memory://")

    @limiter.limit("1/minute")
    async def endpoint(request: Request, word: str) -> PlainTextResponse:
        return PlainTextResponse(word)

    app = app_of(limiter, middleware, Route("/{id}", partial(endpoint, word="w")))
    first = await fetch(app, "/1")
    assert (first.text, (await fetch(app, "/2")).status_code) == ("w", 429)


@WITH_AND_WITHOUT
async def test_a_mount_is_named_by_its_pattern(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    inner = [Route("/{id}", endpoint_of(limiter, "2/minute"))]
    app = app_of(limiter, middleware, Mount("/t/{tenant}", routes=inner))
    assert await statuses(app, "/t/a/1", "/t/b/2", "/t/c/3") == [200, 200, 429]


@WITH_AND_WITHOUT
async def test_a_router_behind_a_middleware_is_limited(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    inner = CORSMiddleware(Router([Route("/{id}", endpoint_of(limiter, "2/minute"))]))
    app = app_of(limiter, middleware, Mount("/t/{tenant}", inner))
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


async def test_a_route_to_an_asgi_application_has_the_default_limits() -> None:
    limiter = RateLimiter("memory://", default="1/minute")

    class Bare:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("bare")(scope, receive, send)

    app = app_of(limiter, True, Route("/bare", Bare()), Mount("/mounted", Bare()))
    assert await statuses(app, "/bare", "/mounted/x") == [200, 429]


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
