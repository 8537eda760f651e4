"""The limiter starts and closes with its application."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from ratelog import ConfigError, RateLimiter, RateLimitMiddleware
from support.asgi import statuses
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def app_of(limiter: RateLimiter) -> FastAPI:
    app = FastAPI()
    limiter.protect(app)

    @app.get("/a")
    def a() -> str:
        return "a"

    return app


async def test_the_limiter_starts_and_closes_with_the_application(server: Any) -> None:
    db = server.db()
    before = len(db.client_list())
    limiter = RateLimiter(server.url, default="9/minute", timeout=30)
    app = app_of(limiter)
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    states: list[tuple[str, str]] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        states.append((message["type"], limiter.health().state))

    await app({"type": "lifespan"}, receive, send)
    assert [name for name, _ in states] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert states[0][1] == "closed"
    await until("the connections are closed", lambda: len(db.client_list()) == before)


async def test_a_limiter_works_without_lifespan(server: Any) -> None:
    limiter = RateLimiter(server.url, default="1/minute", timeout=30)
    assert await statuses(app_of(limiter), "/a", "/a") == [200, 429]
    await limiter.aclose()


def test_a_limiter_works_in_one_event_loop_after_another(server: Any) -> None:
    limiter = RateLimiter(server.url, default="2/minute", timeout=30)
    app = app_of(limiter)

    async def once() -> list[int]:
        try:
            return await statuses(app, "/a")
        finally:
            await limiter.aclose()

    assert [asyncio.run(once()) for _ in range(3)] == [[200], [200], [429]]


def test_no_units_remain_after_a_shutdown_that_failed() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        raise OSError("at shutdown")

    app = FastAPI(lifespan=lifespan)
    app.get("/a")(lambda: "a")
    RateLimiter("memory://", default="1/hour").protect(app)
    answers: list[int] = []
    for _ in range(2):
        with pytest.raises(OSError, match="at shutdown"), TestClient(app) as client:
            answers += [client.get("/a").status_code for _ in range(2)]
    assert answers == [200, 429] * 2


async def test_the_connections_are_closed_before_a_failed_shutdown_is_reported(server: Any) -> None:
    limiter = RateLimiter(server.url, default="9/minute", timeout=30)
    opened: list[bool] = []

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.failed"})

    async def send(message: Any) -> None:
        opened.append(limiter._sessions._current() is not None)

    await RateLimitMiddleware(failing, limiter)({"type": "lifespan"}, None, send)  # type: ignore[arg-type]
    assert opened == [True, False]


async def test_a_mistake_at_the_start_leaves_no_connection(server: Any) -> None:
    limiter = RateLimiter(server.url, default="2000000/hour", timeout=30)
    sent: list[str] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    with pytest.raises(ConfigError):
        await app_of(limiter)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.failed"]
    assert limiter._sessions._current() is None


@pytest.mark.parametrize("last", [["lifespan.shutdown.complete"], ["lifespan.shutdown.failed"], []])
async def test_an_application_of_another_framework_stops_once(last: list[str]) -> None:
    limiter = RateLimiter("memory://", default="1/hour")

    async def other(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
            for kind in last:
                await send({"type": kind})
            raise OSError("after the last message")
        await PlainTextResponse("other")(scope, receive, send)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    sent: list[str] = []
    app = RateLimitMiddleware(other, limiter)
    assert await statuses(app, "/a", "/a") == [200, 429]
    with pytest.raises(OSError, match="after the last"):
        await app({"type": "lifespan"}, None, send)  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", *last]
    with TestClient(app_of(limiter)) as client:
        assert [client.get("/a").status_code for _ in range(2)] == [200, 429]
        # Another application is added while one runs, so its units stay.
        limiter.protect(FastAPI())
        assert client.get("/a").status_code == 429
