"""Applications of Starlette with limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from ratelog import RateLimiter

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
