"""Requests of browsers from other origins."""

from __future__ import annotations

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.testclient import TestClient

from ratelog import RateLimiter, RateLimitMiddleware
from support.apps import WITH_AND_WITHOUT
from support.apps import app_of as plain_app_of
from support.asgi import client_for, fetch

ORIGIN = {"origin": "https://example.com"}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "GET"}


def app_of(order: str, **options: object) -> FastAPI:
    limiter = RateLimiter("memory://", default="1/minute", **options)  # type: ignore[arg-type]
    app = FastAPI()
    app.get("/")(lambda: 1)
    if order == "limiter outside":
        app.add_middleware(CORSMiddleware, allow_origins=["https://example.com"])
        app.add_middleware(GZipMiddleware)
        limiter.protect(app)
    else:
        limiter.protect(app)
        app.add_middleware(CORSMiddleware, allow_origins=["https://example.com"])
    return app


@pytest.mark.parametrize("order", ["limiter outside", "limiter inside"])
async def test_denials_have_cors_headers_and_preflights_are_not_counted(order: str) -> None:
    app = app_of(order)
    async with client_for(app, headers=ORIGIN) as client:
        for _ in range(3):
            assert (await client.options("/", headers=PREFLIGHT)).status_code == 200
        answers = [await client.get("/"), await client.get("/")]
    assert [answer.status_code for answer in answers] == [200, 429]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "https://example.com"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"RateLimit", "RateLimit-Policy"} <= set(exposed)
    assert "Retry-After" in answers[1].headers["access-control-expose-headers"]


@pytest.mark.parametrize("status", [429, 401])
async def test_a_response_of_a_middleware_outside_the_application_has_cors_headers(status: int) -> None:
    limiter = RateLimiter("memory://", default="0/minute", key="caller")

    @limiter.key("caller")
    def caller(_: Request) -> str:
        if status == 401:
            raise HTTPException(401)
        return "ann"

    sub = FastAPI()
    sub.add_middleware(CORSMiddleware, allow_origins=["https://example.com"])
    app = FastAPI()
    app.mount("/sub", sub)
    # Nothing has built the middlewares of the applications before the first request.
    answer = await fetch(RateLimitMiddleware(app, limiter), "/sub/x", headers=ORIGIN)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "https://example.com")


async def test_an_options_request_that_is_no_preflight_is_counted() -> None:
    app = app_of("limiter outside")
    async with client_for(app) as client:
        assert [(await client.options("/")).status_code for _ in range(2)] == [405, 429]


async def test_preflights_can_be_counted() -> None:
    app = app_of("limiter outside", count_preflight=True)
    async with client_for(app, headers=PREFLIGHT) as client:
        assert [(await client.options("/")).status_code for _ in range(2)] == [200, 429]


@WITH_AND_WITHOUT
@pytest.mark.parametrize("decorated", [True, False])
async def test_limits_of_an_endpoint_that_answers_preflights_do_not_count_them(
    middleware: bool, decorated: bool
) -> None:
    limiter = RateLimiter("memory://")
    app = plain_app_of(limiter, middleware)
    if decorated:
        app.api_route("/", methods=["GET", "OPTIONS"])(limiter.limit("1/minute")(lambda: 1))
    else:
        app.api_route("/", methods=["GET", "OPTIONS"], dependencies=[Depends(limiter("1/minute"))])(lambda: 1)
    async with client_for(app) as client:
        for _ in range(2):
            answer = await client.options("/", headers=PREFLIGHT)
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
        assert [(await client.get("/")).status_code for _ in range(2)] == [200, 429]


async def test_a_preflight_is_no_mistake_of_a_limit_with_a_condition() -> None:
    limiter = RateLimiter("memory://")
    app = plain_app_of(limiter, True)
    limit = limiter.limit("1/minute", count_if=lambda response: response.status_code == 401)
    app.api_route("/", methods=["GET", "OPTIONS"])(limit(lambda: 1))
    assert (await fetch(app, "/", "OPTIONS", headers=PREFLIGHT)).status_code == 200
    assert limiter.health().problems == ()


@WITH_AND_WITHOUT
async def test_an_endpoint_can_count_preflights(middleware: bool) -> None:
    limiter = RateLimiter("memory://", count_preflight=True)
    app = plain_app_of(limiter, middleware)
    app.api_route("/", methods=["GET", "OPTIONS"])(limiter.limit("1/minute")(lambda: 1))
    async with client_for(app, headers=PREFLIGHT) as client:
        assert [(await client.options("/")).status_code for _ in range(2)] == [200, 429]


async def test_other_exposed_headers_remain() -> None:
    app = FastAPI()
    app.get("/")(lambda: 1)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["X-Page"])
    RateLimiter("memory://", default="9/minute").protect(app)
    exposed = (await fetch(app, "/", headers=ORIGIN)).headers["access-control-expose-headers"]
    assert exposed == "X-Page, RateLimit-Policy, RateLimit"


async def test_headers_of_two_limiters_are_exposed_once() -> None:
    app = FastAPI()
    app.get("/")(lambda: 1)
    for default in ("9/minute", "99/hour"):
        RateLimiter("memory://", default=default).protect(app)
    exposed = (await fetch(app, "/", headers=ORIGIN)).headers["access-control-expose-headers"]
    assert exposed == "RateLimit-Policy, RateLimit"


async def test_headers_are_exposed_to_other_origins_only_and_as_configured() -> None:
    assert "access-control-expose-headers" not in (await fetch(app_of("limiter outside"), "/")).headers
    hidden = app_of("limiter outside", expose_headers=False)
    assert "access-control-expose-headers" not in (await fetch(hidden, "/", headers=ORIGIN)).headers
    x_ratelimit = app_of("limiter outside", headers="x-ratelimit")
    assert (await fetch(x_ratelimit, "/", headers=ORIGIN)).headers["access-control-expose-headers"] == (
        "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
    )


@pytest.mark.parametrize("own", [True, False])
def test_a_middleware_that_replaces_the_exposed_headers_is_logged(own: bool, caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    RateLimiter("memory://", default="9/minute").protect(app)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["X-Page"] if own else [])
    with TestClient(app) as client:
        exposed = client.get("/", headers=ORIGIN).headers["access-control-expose-headers"]
    assert exposed == ("X-Page" if own else "RateLimit-Policy, RateLimit")
    assert ["expose_headers of CORSMiddleware replaces" in record.getMessage() for record in caplog.records] == [
        True
    ] * own
