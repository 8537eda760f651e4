"""The messages of a response, with and without rate limit headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.responses import PlainTextResponse

from ratelog import RateLimiter
from support.asgi import fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def test_headers_of_an_allowed_response_stay() -> None:
    limiter = RateLimiter("memory://", default="9/minute")
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    def endpoint() -> PlainTextResponse:
        return PlainTextResponse("busy", 503, {"Retry-After": "7"})

    assert (await fetch(app, "/")).headers.get_list("retry-after") == ["7"]


async def test_only_the_start_of_a_response_gets_headers() -> None:
    app = FastAPI()
    RateLimiter("memory://", default="9/minute").protect(app)

    async def parts() -> AsyncIterator[str]:
        for part in ("a", "b", "c"):
            yield part

    @app.get("/")
    def endpoint() -> StreamingResponse:
        return StreamingResponse(parts())

    response = await fetch(app, "/")
    assert (response.text, response.headers.get_list("ratelimit")) == ("abc", ['"9/minute";r=8;t=60'])


async def test_a_denial_replaces_headers_of_its_response() -> None:
    limiter = RateLimiter("memory://", default="0/minute", headers="x-ratelimit")
    app = FastAPI()
    limiter.protect(app)
    limiter.on_denied(lambda _, __: PlainTextResponse("no", headers={"X-RateLimit-Limit": "7"}))
    assert (await fetch(app, "/")).headers.get_list("x-ratelimit-limit") == ["0"]
