"""Bodies that are read before the application reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse

from ratelog import RateLimiter
from ratelog.web.replay import Replay
from support.asgi import client_for
from support.wait import TIMEOUT

if TYPE_CHECKING:
    from ratelog.web.types import Message


async def test_recorded_messages_are_received_again_before_the_next_ones() -> None:
    messages = iter([{"type": "http.request", "body": str(number).encode()} for number in range(4)])

    async def source() -> Message:
        return next(messages)

    replay = Replay(source)
    assert replay.receive() is source
    recorded = [await replay.record(), await replay.record()]
    receive = replay.receive()
    assert [await receive(), await receive()] == recorded
    assert [(await receive())["body"], (await receive())["body"]] == [b"2", b"3"]


@pytest.mark.parametrize("failing", [True, False])
@pytest.mark.parametrize("of_limiter", [True, False])
async def test_handlers_read_the_body_after_a_function_has_read_it(failing: bool, of_limiter: bool) -> None:
    limiter = RateLimiter("memory://", default="0/minute", key="tenant")
    app = FastAPI()
    limiter.protect(app)

    @limiter.key("tenant")
    async def tenant(request: Request) -> str:
        name: str = (await request.json())["tenant"]
        if failing:
            raise HTTPException(400)
        return name

    @app.exception_handler(HTTPException)
    async def respond(request: Any, error: Any) -> PlainTextResponse:
        return PlainTextResponse(await request.body(), error.status_code)

    if of_limiter:
        limiter.on_denied(lambda request, _: respond(request, HTTPException(429)))
    app.post("/")(lambda: 1)
    body = b'{"tenant": "acme"}'
    async with client_for(app) as client:
        answer = await asyncio.wait_for(client.post("/", content=body), TIMEOUT)
    assert (answer.status_code, answer.content) == (400 if failing else 429, body)
