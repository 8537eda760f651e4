"""WebSockets that are denied before they are accepted."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from ratelog import RateLimiter
from support.asgi import status_of
from support.uvicorn_server import serve
from support.wait import TIMEOUT

WITH_AND_WITHOUT = pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "no middleware"])


def caller(x_user: Annotated[str, Header()]) -> str:
    return x_user


def app_of(limiter: RateLimiter, middleware: bool) -> FastAPI:
    app = FastAPI()
    if middleware:
        limiter.protect(app)

    @app.websocket("/decorated/{id}")
    @limiter.limit("1/minute")
    async def decorated(websocket: WebSocket, id: str) -> None:  # noqa: A002
        await websocket.accept()
        await websocket.send_text(id)

    @app.websocket("/depends", dependencies=[Depends(limiter("1/minute"))])
    @app.websocket("/by-dependency", dependencies=[Depends(limiter("1/minute", key=caller))])
    async def depends(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")

    return app


async def messages_of(app: Any, path: str, extensions: bool = False) -> list[dict[str, Any]]:
    """The messages that an application sends to a client."""
    sent: list[dict[str, Any]] = []
    messages = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "headers": [(b"x-user", b"ann")],
        "client": ("192.0.2.1", 1),
        "query_string": b"",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if extensions else {},
    }
    await asyncio.wait_for(app(scope, receive, send), TIMEOUT)
    return sent


async def test_a_request_with_the_method_websocket_does_not_change_the_limits_of_a_websocket() -> None:
    exempt: list[dict[str, Any]] = [{"path": "/*", "methods": ["WEBSOCKET"], "exempt": True}]
    for endpoints, expected in (([], ["accept", "close"]), (exempt, ["accept", "accept"])):
        limiter = RateLimiter("memory://", default_per_endpoint="1/minute", default="1/hour", endpoints=endpoints)
        app = FastAPI()
        limiter.protect(app)

        @app.websocket("/ws")
        async def ws(websocket: WebSocket) -> None:
            await websocket.accept()

        scope = {"type": "http", "method": "WEBSOCKET", "path": "/ws", "headers": [], "query_string": b""}
        assert [await status_of(app, {**scope, "client": ("192.0.2.9", 1)}) for _ in range(2)] == [404, 429]
        opened = [(await messages_of(app, "/ws"))[0]["type"] for _ in range(2)]
        assert opened == [f"websocket.{kind}" for kind in expected]


@WITH_AND_WITHOUT
@pytest.mark.parametrize("path", ["/decorated/1", "/depends", "/by-dependency"])
async def test_a_denied_websocket_is_closed_if_no_response_can_be_sent(middleware: bool, path: str) -> None:
    app = app_of(RateLimiter("memory://"), middleware)
    accepted, denied = await messages_of(app, path), await messages_of(app, path)
    assert accepted[0]["type"] == "websocket.accept"
    assert (b"ratelimit" in dict(accepted[0]["headers"])) is middleware
    assert denied == [{"type": "websocket.close", "code": 1013, "reason": "rate limited"}]


@WITH_AND_WITHOUT
@pytest.mark.parametrize("path", ["/decorated/1", "/depends", "/by-dependency"])
async def test_a_denied_websocket_gets_a_response_if_the_server_supports_it(middleware: bool, path: str) -> None:
    app = app_of(RateLimiter("memory://"), middleware)
    await messages_of(app, path, extensions=True)
    start, body = await messages_of(app, path, extensions=True)
    names = [name for name, _ in start["headers"]]
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 429)
    assert sorted(names) == [b"content-length", b"content-type", b"ratelimit", b"ratelimit-policy", b"retry-after"]
    assert b"quota-exceeded" in body["body"]


async def test_a_path_parameter_does_not_evade_the_limit() -> None:
    app = app_of(RateLimiter("memory://"), True)
    await messages_of(app, "/decorated/1")
    assert (await messages_of(app, "/decorated/2"))[0]["type"] == "websocket.close"


@WITH_AND_WITHOUT
async def test_an_endpoint_class_is_limited_by_its_method(middleware: bool) -> None:
    limiter = RateLimiter("memory://")

    class Endpoint(WebSocketEndpoint):
        @limiter.limit("1/minute")
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()

    app = Starlette(routes=[WebSocketRoute("/{id}", Endpoint)])
    if middleware:
        limiter.protect(app)
    assert (await messages_of(app, "/1"))[0]["type"] == "websocket.accept"
    assert (await messages_of(app, "/2"))[0]["type"] == "websocket.close"


async def test_defaults_and_settings_count_websockets() -> None:
    endpoints = [{"path": "/decorated/*", "methods": ["WEBSOCKET"], "limits": "1/hour"}]
    app = app_of(RateLimiter("memory://", default="9/minute", endpoints=endpoints), True)
    accepted = (await messages_of(app, "/decorated/1"))[0]
    assert dict(accepted["headers"])[b"ratelimit-policy"].count(b"q=") == 3


@pytest.mark.parametrize("path", ["/depends", "/by-dependency"])
async def test_an_http_exception_of_on_denied_is_the_response(path: str) -> None:
    def unavailable(_: Any, __: Any) -> Any:
        raise HTTPException(503)

    limiter = RateLimiter("memory://")
    limiter.on_denied(unavailable)
    app = app_of(limiter, True)
    await messages_of(app, path, extensions=True)
    start, body = await messages_of(app, path, extensions=True)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert b"Service Unavailable" in body["body"]
    assert b"retry-after" in dict(start["headers"])


async def test_on_denied_finds_the_parameters_of_the_path() -> None:
    limiter = RateLimiter("memory://")
    limiter.on_denied(lambda connection, _: PlainTextResponse(connection.path_params["id"]))
    app = app_of(limiter, True)
    await messages_of(app, "/decorated/1", extensions=True)
    _, body = await messages_of(app, "/decorated/2", extensions=True)
    assert body["body"] == b"2"


async def test_uvicorn_answers_a_denied_handshake_with_429() -> None:
    async with serve(app_of(RateLimiter("memory://"), True), ws="websockets-sansio") as address:
        async with connect(f"ws://{address}/decorated/1") as websocket:
            assert await websocket.recv() == "1"
            assert websocket.response is not None
            assert websocket.response.headers["ratelimit"] == '"1/minute";r=0;t=60'
        with pytest.raises(InvalidStatus) as denied:
            await connect(f"ws://{address}/decorated/1")
    assert denied.value.response.status_code == 429
    assert denied.value.response.headers["retry-after"] == "60"
    assert b"quota-exceeded" in (denied.value.response.body or b"")
