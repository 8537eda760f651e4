"""Endpoints without limits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ratelog import RateLimiter
from support.asgi import statuses
from support.starlette_apps import app_of

if TYPE_CHECKING:
    from starlette.requests import Request


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
