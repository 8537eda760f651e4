"""Headers on every response that passed a limit, also without the middleware."""

from __future__ import annotations

from functools import wraps
from inspect import getsource
from typing import Any

import fastapi.routing
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Route

from ratelog import RateLimiter
from support.apps import WITH_AND_WITHOUT, app_of
from support.asgi import client_for, remaining


def value() -> Any:
    return 1


async def response() -> Any:
    return PlainTextResponse("fine")


def redirect() -> Any:
    return RedirectResponse("/elsewhere")


async def stream() -> Any:
    return StreamingResponse(iter(["a", "b"]))


def refuse() -> Any:
    raise HTTPException(403, headers={"x-own": "1"})


async def refuse_later() -> Any:
    raise HTTPException(404)


ENDPOINTS = [value, response, redirect, stream, refuse, refuse_later]


@WITH_AND_WITHOUT
@pytest.mark.parametrize("included", [True, False])
@pytest.mark.parametrize("decorated", [True, False])
async def test_every_response_has_the_headers(middleware: bool, included: bool, decorated: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    target: FastAPI | APIRouter = APIRouter() if included else app
    for endpoint in ENDPOINTS:
        path = f"/{endpoint.__name__}"
        if decorated:
            target.get(path, response_model=None)(limiter.limit("4/minute", "9/hour")(endpoint))
        else:
            limits = [Depends(limiter("4/minute")), Depends(limiter("9/hour"))]
            target.get(path, response_model=None, dependencies=limits)(endpoint)
    if included:
        outer = APIRouter(prefix="/outer")
        outer.include_router(target)  # type: ignore[arg-type]
        app.include_router(outer)
    async with client_for(app) as client:
        for left in (3, 2):
            for endpoint in ENDPOINTS:
                answer = await client.get(f"{'/outer' if included else ''}/{endpoint.__name__}")
                expected = {"4/minute": left} if decorated else {"4/minute": left, "9/hour": left + 5}
                assert remaining(answer) == expected, endpoint
                assert len(answer.headers.get_list("ratelimit")) == 1
        assert (await client.get("/refuse" if not included else "/outer/refuse")).headers["x-own"] == "1"


async def test_concurrent_requests_have_their_own_headers() -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI()

    @app.get("/", dependencies=[Depends(limiter("99/minute", key=lambda c: c.query_params["user"]))])
    def endpoint() -> PlainTextResponse:
        return PlainTextResponse("fine")

    async with client_for(app) as client:
        for left in (98, 97):
            answers = [await client.get(f"/?user={user}") for user in "abc"]
            assert [remaining(answer)["99/minute"] for answer in answers] == [left] * 3


NOT_FOUND = HTTPException(404)
FINE = PlainTextResponse("fine")


@pytest.mark.parametrize("starlette", [True, False])
async def test_shared_responses_and_errors_do_not_keep_the_headers(starlette: bool) -> None:
    limiter = RateLimiter("memory://")

    @limiter.limit("9/minute")
    async def limited(request: Request) -> Any:
        if request.query_params:
            raise NOT_FOUND
        return FINE

    async def plain(request: Request) -> Any:
        if request.query_params:
            raise NOT_FOUND
        return FINE

    app: Any
    if starlette:
        app = Starlette(routes=[Route("/limited", limited), Route("/plain", plain)])
    else:
        app = FastAPI()
        app.get("/limited", response_model=None)(limited)
        app.get("/plain", response_model=None)(plain)
    async with client_for(app) as client:
        for path, status in (("", 200), ("?raise=1", 404)):
            answer = await client.get(f"/limited{path}")
            assert (answer.status_code, "ratelimit" in answer.headers) == (status, True)
            answer = await client.get(f"/plain{path}")
            assert (answer.status_code, "ratelimit" in answer.headers) == (status, False)


async def test_an_endpoint_that_calls_another_application_has_its_own_headers() -> None:
    limiter = RateLimiter("memory://")
    inner, outer = FastAPI(), FastAPI()
    inner.get("/inner", dependencies=[Depends(limiter("99/minute"))])(lambda: FINE)

    @outer.get("/", dependencies=[Depends(limiter("9/minute"))])
    async def endpoint() -> Any:
        async with client_for(inner) as client:
            assert remaining(await client.get("/inner")) == {"99/minute": 98}
        return PlainTextResponse("fine")

    async with client_for(outer) as client:
        assert remaining(await client.get("/")) == {"9/minute": 8}


@pytest.mark.skipif(
    "fastapi_inner_astack" not in getsource(fastapi.routing),
    reason="this FastAPI does not await the results of such endpoints",
)
async def test_callable_objects_and_wrapped_coroutines_have_the_headers() -> None:
    class Endpoint:
        async def __call__(self) -> Any:
            return PlainTextResponse("fine")

    @wraps(response)
    def wrapped() -> Any:
        return response()

    limiter = RateLimiter("memory://")
    app = FastAPI()
    endpoints: dict[str, Any] = {"/object": Endpoint(), "/wrapped": wrapped}
    for path, endpoint in endpoints.items():
        app.get(path, response_model=None, dependencies=[Depends(limiter("9/minute"))])(endpoint)
    async with client_for(app) as client:
        for path in ("/object", "/wrapped"):
            assert remaining(await client.get(path)) == {"9/minute": 8}
