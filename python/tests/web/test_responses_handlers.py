"""The response to a denied request: the same with and without the middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from ratelog import RateLimiter, RateLimitMiddleware
from ratelog.web.responses import RateLimited
from support.apps import WITH_AND_WITHOUT, app_of
from support.asgi import fetch

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request

PLACES = pytest.mark.parametrize("key", [None, lambda _: "k"], ids=["middleware", "endpoint"])
"""A limit is checked by the middleware, or because of its key function in the endpoint."""


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


def tenant(connection: Any) -> str:
    return f"{connection.path_params['tenant']} of {connection.app.title}"


@PLACES
@pytest.mark.parametrize("of_limit", [True, False])
async def test_handlers_find_the_parameters_of_the_path(key: Any, of_limit: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)
    if of_limit:
        limiter.on_denied(lambda connection, _: JSONResponse(tenant(connection)))
    else:
        app.exception_handler(RateLimited)(lambda request, _: JSONResponse(tenant(request), 429))

    @app.get("/{tenant}")
    @limiter.limit("1/minute", key=key)
    def endpoint() -> int:
        return 1

    assert (await fetch(app, "/acme")).status_code == 200
    response = await fetch(app, "/acme")
    assert (response.status_code, response.json()) == (429, "acme of FastAPI")


@PLACES
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("handler", ["status", "on_denied"])
async def test_the_handlers_of_a_mounted_application_respond(key: Any, wrapped: bool, handler: str) -> None:
    limiter = RateLimiter("memory://")
    app, sub = FastAPI(), FastAPI(title="sub")
    app.exception_handler(429)(lambda _, __: JSONResponse("of the outer application", 429))
    app.mount("/{tenant}/sub", sub)
    if handler == "status":
        sub.exception_handler(429)(lambda request, _: JSONResponse(tenant(request), 429))
    else:
        limiter.on_denied(lambda connection, _: JSONResponse(tenant(connection)))

    @sub.get("/")
    @limiter.limit("1/minute", key=key)
    def endpoint() -> int:
        return 1

    if wrapped:
        protected: Any = RateLimitMiddleware(app, limiter)
    else:
        limiter.protect(app)
        protected = app
    assert (await fetch(protected, "/acme/sub/")).status_code == 200
    response = await fetch(protected, "/acme/sub/")
    assert (response.status_code, response.json()) == (429, "acme of sub")
    assert len(response.headers.get_list("ratelimit")) == 1


@PLACES
async def test_a_wrapped_applications_handler_responds(key: Any) -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI(exception_handlers={429: own})
    app.get("/")(limiter.limit("1/minute", key=key)(lambda: 1))
    wrapped = RateLimitMiddleware(app, limiter)
    await fetch(wrapped, "/")
    assert (await fetch(wrapped, "/")).json() == {"own": "RateLimited"}


@PLACES
@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize("raised_in", ["on_denied", "handler"])
async def test_an_http_exception_of_a_handler_is_handled(key: Any, handled: bool, raised_in: str) -> None:
    async def unavailable(_: Any, __: Any) -> Any:
        raise HTTPException(503, "later")

    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)
    if raised_in == "on_denied":
        limiter.on_denied(unavailable)
    else:
        app.add_exception_handler(RateLimited, unavailable)
    if handled:
        app.exception_handler(503)(lambda _, error: JSONResponse({"detail": f"{error.detail}, handled"}, 503))
    app.get("/")(limiter.limit("1/minute", key=key)(lambda: 1))
    await fetch(app, "/")
    response = await fetch(app, "/")
    assert (response.status_code, response.json()) == (503, {"detail": "later, handled" if handled else "later"})
    assert response.headers["retry-after"] in ("59", "60")
