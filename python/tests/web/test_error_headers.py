"""Headers on the responses to errors, also without the middleware."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.routing import Route

from ratelog import RateLimiter
from support.apps import WITH_AND_WITHOUT, app_of
from support.asgi import client_for, remaining


class OutOfStockError(Exception):
    pass


OUT_OF_STOCK = PlainTextResponse("sold", 409)


@WITH_AND_WITHOUT
async def test_an_error_of_a_later_dependency_has_the_headers(middleware: bool) -> None:
    async def authenticate() -> None:
        raise HTTPException(401, headers={"www-authenticate": "Bearer"})

    async def convert() -> Any:
        try:
            yield
        except ValueError:
            raise HTTPException(409) from None

    def fail() -> None:
        raise ValueError("x")

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    limit = Depends(limiter("9/minute", scope="all"))
    app.get("/401", dependencies=[limit, Depends(authenticate)])(lambda: None)
    app.get("/409", dependencies=[limit, Depends(convert)])(fail)
    async with client_for(app) as client:
        answer = await client.get("/401")
        assert (answer.status_code, remaining(answer)) == (401, {"9/minute": 8})
        assert answer.headers["www-authenticate"] == "Bearer"
        answer = await client.get("/409")
        assert (answer.status_code, remaining(answer)) == (409, {"9/minute": 7})
        assert len(answer.headers.get_list("ratelimit")) == 1


@WITH_AND_WITHOUT
@pytest.mark.parametrize("decorated", [True, False])
async def test_a_validation_error_has_the_headers(middleware: bool, decorated: bool) -> None:
    async def endpoint(number: int) -> int:
        return number

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    if decorated:
        app.get("/")(limiter.limit("9/minute")(endpoint))
    else:
        app.get("/", dependencies=[Depends(limiter("9/minute"))])(endpoint)
    async with client_for(app) as client:
        assert (await client.get("/?number=1")).status_code == 200
        for left in (7, 6):
            answer = await client.get("/?number=x")
            assert answer.status_code == 422
            assert remaining(answer) == {"9/minute": left}


@WITH_AND_WITHOUT
@pytest.mark.parametrize("is_async", [True, False])
async def test_an_error_with_a_handler_of_the_application_has_the_headers(middleware: bool, is_async: bool) -> None:
    async def handle(request: Request, error: Exception) -> Any:
        return OUT_OF_STOCK

    def handle_in_thread(request: Request, error: Exception) -> Any:
        return OUT_OF_STOCK

    async def fail() -> Any:
        raise OutOfStockError

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    app.add_exception_handler(OutOfStockError, handle if is_async else handle_in_thread)
    app.get("/", dependencies=[Depends(limiter("9/minute"))])(fail)
    app.get("/plain")(fail)
    async with client_for(app) as client:
        for left in (8, 7):
            answer = await client.get("/")
            assert (answer.status_code, answer.text, remaining(answer)) == (409, "sold", {"9/minute": left})
            assert len(answer.headers.get_list("ratelimit")) == 1
            # A response that is returned for several requests does not keep the headers.
            assert "ratelimit" not in (await client.get("/plain")).headers


async def test_an_error_of_a_starlette_endpoint_has_the_headers() -> None:
    limiter = RateLimiter("memory://")

    @limiter.limit("2/minute")
    async def endpoint(request: Request) -> Any:
        raise HTTPException(404, headers={"x-own": "1"})

    app = Starlette(routes=[Route("/", endpoint)])
    async with client_for(app) as client:
        answers = [await client.get("/") for _ in range(3)]
    assert [(answer.status_code, remaining(answer)) for answer in answers] == [
        (404, {"2/minute": 1}),
        (404, {"2/minute": 0}),
        (429, {"2/minute": 0}),
    ]
    assert answers[0].headers["x-own"] == "1"


async def test_the_headers_of_two_limiters_are_those_of_the_one_that_checked() -> None:
    first, second = RateLimiter("memory://"), RateLimiter("memory://")
    app = FastAPI()

    async def fail() -> None:
        raise HTTPException(404)

    app.get("/first", dependencies=[Depends(first("9/minute"))])(fail)
    app.get("/second", dependencies=[Depends(second("7/minute"))])(fail)
    async with client_for(app) as client:
        for left in range(3):
            assert remaining(await client.get("/first")) == {"9/minute": 8 - left}
            assert remaining(await client.get("/second")) == {"7/minute": 6 - left}
