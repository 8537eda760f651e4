"""The middleware with whole applications."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.cors import CORSMiddleware

from ratelog import RateLimiter, RateLimitMiddleware
from support.apps import protected
from support.asgi import client_for, fetch, remaining, statuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.server import Server


async def test_defaults_count_all_endpoints_and_unknown_paths_together() -> None:
    app = protected(RateLimiter("memory://", default="3/minute"))
    assert await statuses(app, "/a", "/b", "/nope", "/a") == [200, 200, 404, 429]


async def test_a_method_without_a_route_is_counted() -> None:
    app = protected(RateLimiter("memory://", default="1/minute"))
    assert (await fetch(app, "/a", "DELETE")).status_code == 405
    assert (await fetch(app, "/a", "DELETE")).status_code == 429


async def test_a_redirect_to_the_path_without_slash_is_not_counted() -> None:
    app = protected(RateLimiter("memory://", default="2/minute"))
    assert await statuses(app, "/a/", "/a", "/a/", "/a", "/a") == [307, 200, 307, 200, 429]
    # Without redirects, such a path does not exist.
    app = protected(RateLimiter("memory://", default="2/minute"))
    app.router.redirect_slashes = False
    assert await statuses(app, "/a/", "/a", "/a") == [404, 200, 429]


@pytest.mark.parametrize("outside", [True, False])
async def test_a_path_that_a_middleware_corrects_is_counted(outside: bool) -> None:
    class StripSlash:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "path": scope["path"].rstrip("/")}, receive, send)

    limiter = RateLimiter("memory://", default="1/hour")
    app: Any = FastAPI()
    app.get("/x")(lambda: 1)
    if outside:
        app = RateLimitMiddleware(StripSlash(app), limiter)
    else:
        app.add_middleware(StripSlash)
        limiter.protect(app)
    async with client_for(app) as client:
        assert [(await client.get("/x/")).status_code for _ in range(3)] == [200, 429, 429]


async def test_a_wrong_method_is_counted_where_another_route_differs_by_a_slash() -> None:
    app = FastAPI()
    RateLimiter("memory://", default="1/hour").protect(app)
    app.post("/x")(lambda: 1)
    app.get("/{path:path}")(lambda: 1)
    assert [(await fetch(app, "/x/", "POST")).status_code for _ in range(2)] == [405, 429]


async def test_a_preflight_that_cors_answers_first_is_not_counted() -> None:
    app = protected(RateLimiter("memory://", default="1/minute"))
    app.add_middleware(CORSMiddleware, allow_origins=["https://example.com"])
    async with client_for(app, headers={"origin": "https://example.com"}) as client:
        for _ in range(3):
            preflight = await client.options("/a", headers={"access-control-request-method": "GET"})
            assert preflight.status_code == 200
        assert (await client.get("/a")).status_code == 200
        denied = await client.get("/a")
    assert denied.status_code == 429
    assert denied.headers["access-control-allow-origin"] == "https://example.com"


async def test_an_error_response_of_the_endpoint_has_headers() -> None:
    app = protected(RateLimiter("memory://", default="9/minute"))

    @app.get("/raises")
    def raises() -> None:
        raise HTTPException(418)

    response = await fetch(app, "/raises")
    assert (response.status_code, remaining(response)) == (418, {"9/minute": 8})


async def test_an_unhandled_error_is_raised() -> None:
    app = protected(RateLimiter("memory://", default="9/minute"))

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError("of the endpoint")

    with pytest.raises(RuntimeError, match="of the endpoint"):
        await fetch(app, "/fails")
    assert remaining(await fetch(app, "/a")) == {"9/minute": 7}


async def test_streams_and_background_tasks_are_unchanged() -> None:
    app = protected(RateLimiter("memory://", default="9/minute"))
    done: list[str] = []

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one "
            yield b"two"

        return StreamingResponse(chunks())

    @app.get("/later")
    def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(done.append, "done")

    assert (await fetch(app, "/stream")).text == "one two"
    await fetch(app, "/later")
    assert done == ["done"]


async def test_prefixes_and_dependencies_of_nested_routers_are_found() -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI()
    limiter.protect(app)
    inner = APIRouter(prefix="/inner", dependencies=[Depends(limiter("7/minute"))])
    middle = APIRouter(prefix="/middle", dependencies=[Depends(limiter("8/minute", scope="shared"))])

    @inner.get("/{name:path}")
    def endpoint(name: str) -> str:
        return name

    middle.include_router(inner)
    app.include_router(middle, prefix="/v1", dependencies=[Depends(limiter("9/minute"))])
    app.include_router(middle, prefix="/v2")
    assert remaining(await fetch(app, "/v1/middle/inner/x/y")) == {"9/minute": 8, "8/minute": 7, "7/minute": 6}
    assert remaining(await fetch(app, "/v1/middle/inner/z")) == {"9/minute": 7, "8/minute": 6, "7/minute": 5}
    assert remaining(await fetch(app, "/v2/middle/inner/z")) == {"8/minute": 5, "7/minute": 6}


async def test_a_route_added_after_a_request_is_limited() -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI()
    limiter.protect(app)
    assert await statuses(app, "/late") == [404]

    @app.get("/late")
    @limiter.limit("1/minute")
    def late() -> int:
        return 1

    assert await statuses(app, "/late", "/late") == [200, 429]


@pytest.mark.parametrize("where", ["key", "cost", "limits"])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_http_exception_of_a_key_function_is_handled(where: str, asynchronous: bool) -> None:
    def raise_401(_: Request) -> Any:
        raise HTTPException(401, "Unauthorized", {"www-authenticate": "Bearer"})

    async def raise_401_async(_: Request) -> Any:
        raise HTTPException(401, "Unauthorized", {"www-authenticate": "Bearer"})

    function: Callable[[Any], Any] = raise_401_async if asynchronous else raise_401
    limiter = RateLimiter("memory://")
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @(limiter.limit(function) if where == "limits" else limiter.limit("1/minute", **{where: function}))  # type: ignore[arg-type]
    def endpoint() -> int:
        return 1

    response = await fetch(app, "/")
    assert (response.status_code, response.json()) == (401, {"detail": "Unauthorized"})
    assert response.headers["www-authenticate"] == "Bearer"


async def test_an_error_of_a_key_function_reaches_the_applications_handlers() -> None:
    class UnknownError(Exception):
        pass

    def key(_: Request) -> str:
        raise UnknownError

    limiter = RateLimiter("memory://")
    app = FastAPI()
    limiter.protect(app)
    app.add_exception_handler(UnknownError, lambda _, __: JSONResponse({"handled": True}, 400))

    @app.get("/")
    @limiter.limit("1/minute", key=key)
    def endpoint() -> int:
        return 1

    response = await fetch(app, "/")
    assert (response.status_code, response.json()) == (400, {"handled": True})
    app.exception_handlers.clear()
    app.middleware_stack = None
    with pytest.raises(UnknownError):
        await fetch(app, "/")


async def test_an_error_of_a_key_of_the_settings_reaches_the_applications_handlers() -> None:
    limiter = RateLimiter("memory://", default="1/minute", key="tenant")
    app = FastAPI()
    limiter.protect(app)
    app.add_exception_handler(LookupError, lambda _, __: JSONResponse({"handled": True}, 400))

    @limiter.key("tenant")
    def tenant(_: Request) -> str:
        raise LookupError

    @app.get("/")
    def endpoint() -> None:
        pytest.fail("the endpoint was called")

    response = await fetch(app, "/")
    assert (response.status_code, response.json()) == (400, {"handled": True})


async def test_a_scope_of_another_type_is_passed_on() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await RateLimitMiddleware(app, RateLimiter("memory://", default="1/minute"))({"type": "other"}, None, None)  # type: ignore[arg-type]
    assert seen == ["other"]


async def test_an_application_without_routes_is_limited_by_the_defaults() -> None:
    class Slotted:
        __slots__ = ()

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await JSONResponse({})(scope, receive, send)

    app = RateLimitMiddleware(Slotted(), RateLimiter("memory://", default="1/minute"))
    assert await statuses(app, "/x", "/y") == [200, 429]


class Exchange:
    """A request as an ASGI server holds it: with references to the scope and to `send`."""

    def __init__(self) -> None:
        self.scope = {"type": "http", "method": "GET", "path": "/b", "query_string": b"", "headers": []}
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        raise AssertionError("the body must not be read")

    async def send(self, message: Any) -> None:
        self.sent.append(message)


@pytest.mark.parametrize("limit", [1_000, 1], ids=["allowed", "denied"])
async def test_requests_create_no_reference_cycles(server: Server, limit: int) -> None:
    limiter = RateLimiter(server.url, default=f"{limit}/minute", timeout=30)
    app = protected(limiter)
    async with limiter:
        for count in (5, 50):
            gc.collect()
            gc.disable()
            try:
                for _ in range(count):
                    exchange = Exchange()
                    await app(exchange.scope, exchange.receive, exchange.send)
                    del exchange
                found = gc.collect()
            finally:
                gc.enable()
    assert found < 50


async def test_a_limiter_can_be_disabled_and_enabled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATELOG_ENABLED", "false")
    limiter = RateLimiter("memory://", default="1/minute")
    app = protected(limiter)
    app.get("/limited", dependencies=[Depends(limiter("1/minute"))])(lambda: 1)
    assert await statuses(app, "/a", "/a", "/limited", "/limited") == [200] * 4
    assert "ratelimit" not in (await fetch(app, "/a")).headers
    monkeypatch.setenv("RATELOG_ENABLED", "true")
    limiter.reload()
    assert await statuses(app, "/a", "/a") == [200, 429]
