"""The limiter starts and closes with its application."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI

from ratelog import RateLimiter
from support.asgi import statuses
from support.wait import until


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
