"""The response to a denied request: the same with and without the middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from ratelog import RateLimiter
from ratelog.web.responses import RateLimited
from support.apps import WITH_AND_WITHOUT, app_of
from support.asgi import fetch

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request


async def own(_: Request, error: Any) -> JSONResponse:
    return JSONResponse({"own": type(error).__name__}, error.status_code, headers=error.headers)


async def sorry(_: Any, denial: Any) -> JSONResponse:
    return JSONResponse({"sorry": denial.decisions[0].limit})


async def denied(limiter: RateLimiter, middleware: bool, handler: Any = None, **options: Any) -> httpx.Response:
    app = app_of(limiter, middleware)
    if handler is not None:
        app.add_exception_handler(handler, own)

    @app.get("/", dependencies=[Depends(limiter("1/minute", **options))])
    def endpoint() -> int:
        return 1

    assert (await fetch(app, "/")).status_code == 200
    return await fetch(app, "/")


@WITH_AND_WITHOUT
@pytest.mark.parametrize("handler", [RateLimited, HTTPException, StarletteHTTPException, 429])
async def test_the_applications_handler_responds(middleware: bool, handler: Any) -> None:
    response = await denied(RateLimiter("memory://"), middleware, handler)
    assert (response.status_code, response.json()) == (429, {"own": "RateLimited"})
    assert response.headers["ratelimit"].startswith('"1/minute";r=0')
    assert response.headers["retry-after"] in ("59", "60")


@WITH_AND_WITHOUT
async def test_problem_details_are_the_response_without_a_handler(middleware: bool) -> None:
    response = await denied(RateLimiter("memory://"), middleware, ValueError)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["violated-policies"] == ["1/minute"]


@WITH_AND_WITHOUT
@pytest.mark.parametrize("handler", [None, RateLimited, HTTPException, 429])
async def test_on_denied_goes_before_the_applications_handlers(middleware: bool, handler: Any) -> None:
    limiter = RateLimiter("memory://")
    limiter.on_denied(lambda _, denial: JSONResponse({"limiter": denial.decisions[0].limit}))
    response = await denied(limiter, middleware, handler)
    assert (response.status_code, response.json()) == (429, {"limiter": 1})
    assert response.headers["retry-after"] in ("59", "60")
    # That of the limit goes first.
    limiter = RateLimiter("memory://")
    limiter.on_denied(lambda _, denial: JSONResponse({"limiter": denial.decisions[0].limit}))
    response = await denied(limiter, middleware, handler, on_denied=sorry)
    assert (response.status_code, response.json()) == (429, {"sorry": 1})
    assert response.headers["ratelimit"].startswith('"1/minute";r=0')


@WITH_AND_WITHOUT
async def test_on_denied_of_one_limit_is_not_used_for_others(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app: FastAPI = app_of(limiter, middleware)

    @app.get("/")
    @limiter.limit("3/minute", scope="a", on_denied=sorry)
    @limiter.limit("1/minute", scope="b")
    def endpoint() -> int:
        return 1

    await fetch(app, "/")
    assert "sorry" not in (await fetch(app, "/")).json()
