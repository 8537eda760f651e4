"""The endpoints of Starlette applications, and their limits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ratelog import RateLimiter
from support.asgi import fetch, remaining, statuses
from support.starlette_apps import WITH_AND_WITHOUT, app_of

if TYPE_CHECKING:
    from starlette.requests import Request


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
async def test_a_partial_endpoint_is_limited_by_route(middleware: bool) -> None:
    limiter = RateLimiter("memory://")

    @limiter.limit("1/minute")
    async def endpoint(request: Request, word: str) -> PlainTextResponse:
        return PlainTextResponse(word)

    app = app_of(limiter, middleware, Route("/{id}", partial(endpoint, word="w")))
    first = await fetch(app, "/1")
    assert (first.text, (await fetch(app, "/2")).status_code) == ("w", 429)
