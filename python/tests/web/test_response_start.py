"""Requests that count by their response."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request, Response, WebSocket
from starlette.background import BackgroundTask
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ratelog import Limits, RateLimiter
from support.apps import app_of
from support.asgi import client_for, fetch, remaining, statuses

if TYPE_CHECKING:
    from support.server import Server


def login_app(limiter: RateLimiter, **options: Any) -> FastAPI:
    app = app_of(limiter, True)

    @app.get("/login")
    @limiter.limit("2/minute", **options)
    async def login(password: str) -> str:
        if password == "crash":
            raise RuntimeError(password)
        if password != "right":
            raise HTTPException(401)
        return "welcome"

    return app


async def later(response: Any) -> bool:
    return bool(response.status_code == 401)


@pytest.mark.parametrize(
    "options",
    [
        {"count_if": lambda response: response.status_code == 401},
        {"skip_if": lambda response: response.status_code == 200},
        {"count_if": later},
    ],
)
async def test_only_failed_logins_count(server: Server, options: dict[str, Any]) -> None:
    async with RateLimiter(server.url, default="50/minute", timeout=5) as limiter:
        app = login_app(limiter, **options)
        assert await statuses(app, *["/login?password=right"] * 4) == [200] * 4
        assert remaining(await fetch(app, "/login?password=right"))["2/minute"] == 2
        assert await statuses(app, *["/login?password=wrong"] * 3) == [401, 401, 429]
        assert await statuses(app, "/login?password=right") == [429]
        assert server.units("ratelog:{ip:192.0.2.1}:GET /login") == 2
        assert server.units("ratelog:{ip:192.0.2.1}:*") == 7


async def test_concurrent_requests_cannot_exceed_the_limit() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)
    proceed = asyncio.Event()

    @app.get("/")
    @limiter.limit("2/minute", count_if=lambda response: response.status_code == 401)
    async def endpoint() -> None:
        await proceed.wait()
        raise HTTPException(401)

    async with client_for(app) as client:
        requests = [asyncio.ensure_future(client.get("/")) for _ in range(5)]
        done, _ = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 3:
            done, _ = await asyncio.wait(requests, timeout=0.01)
        proceed.set()
        answers = await asyncio.gather(*requests)
    assert sorted(answer.status_code for answer in answers) == [401, 401, 429, 429, 429]


async def test_an_error_of_the_application_is_a_response_of_500() -> None:
    app = login_app(RateLimiter("memory://"), count_if=lambda response: response.status_code == 500)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await fetch(app, "/login?password=crash")
    assert await statuses(app, "/login?password=right") == [429]
    app = login_app(RateLimiter("memory://"), skip_if=lambda response: response.status_code == 500)
    for _ in range(4):
        with pytest.raises(RuntimeError):
            await fetch(app, "/login?password=crash")


def test_a_websocket_counts_by_whether_it_is_accepted() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)

    @app.websocket("/")
    @limiter.limit("1/minute", count_if=lambda response: response.status_code != 101)
    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    with TestClient(app) as client:
        for _ in range(3):
            with client.websocket_connect("/"):
                pass


async def test_a_condition_that_fails_counts_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = login_app(RateLimiter("memory://"), count_if=lambda response: response.nothing)
    assert await statuses(app, *["/login?password=right"] * 3) == [200, 200, 429]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "a condition of a limit failed; the request counts"
    ] * 2


async def test_conditions_need_the_middleware() -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI()
    limit = limiter("2/minute", count_if=lambda _: False)
    app.get("/", dependencies=[Depends(limit)])(lambda: 1)
    assert await statuses(app, "/", "/", "/") == [200, 200, 429]
    assert limiter.health().problems == ("count_if and skip_if need limiter.protect(app); every request counts",)
    with pytest.raises(ValueError, match="expected count_if or skip_if, not both"):
        limiter("2/minute", count_if=bool, skip_if=bool)


async def test_an_endpoint_can_take_back_or_reset_its_own_request(server: Server) -> None:
    async with RateLimiter(server.url, default="9/minute", timeout=5) as limiter:
        app = app_of(limiter, True)

        @app.get("/cached")
        @limiter.limit("5/minute", cost=2)
        async def cached(request: Request, response: Response) -> list[int]:
            return [await limiter.refund_request(request), await limiter.refund_request(request)]

        @app.get("/reset")
        @limiter.limit("5/minute", cost=2)
        async def reset(request: Request) -> int:
            return await limiter.reset_request(request)

        for _ in range(4):
            answer = await fetch(app, "/cached")
            assert answer.json() == [3, 0]
            assert remaining(answer) == {"9/minute": 9, "5/minute": 5}
        assert (await fetch(app, "/nothing")).status_code == 404
        answer = await fetch(app, "/reset")
        assert answer.json() == 2
        # The default stays, and other requests' units are not taken back.
        assert remaining(answer) == {"9/minute": 7, "5/minute": 5}


async def test_a_unit_of_another_request_survives_a_reset(server: Server) -> None:
    async with RateLimiter(server.url, timeout=5) as limiter:
        app = app_of(limiter, True)

        @app.get("/login")
        @limiter.limit("5/minute", count_if=lambda response: response.status_code == 401)
        async def login(request: Request) -> list[int]:
            await limiter.reset_request(request)
            # Another request fails meanwhile.
            await limiter.check("{ip:192.0.2.1}:GET /login", "5/minute")
            return [await limiter.refund_request(request)]

        assert (await fetch(app, "/login")).json() == [0]
        assert server.units("ratelog:{ip:192.0.2.1}:GET /login") == 1


async def test_an_error_after_the_response_changes_nothing() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)
    seen: list[int] = []

    def failed(response: Any) -> bool:
        seen.append(response.status_code)
        return bool(response.status_code == 401)

    @app.get("/")
    @limiter.limit("2/minute", count_if=failed)
    async def login() -> Response:
        return Response(status_code=401, background=BackgroundTask(int, "x"))

    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            await fetch(app, "/")
    assert (await fetch(app, "/")).status_code == 429
    assert seen == [401, 401]


def test_a_websocket_that_is_not_accepted_has_status_403() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)

    @app.websocket("/")
    @limiter.limit("1/minute", count_if=lambda response: response.status_code == 101)
    async def endpoint(socket: WebSocket) -> None:
        await socket.close()

    with TestClient(app) as client:
        for _ in range(3):
            with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/"):
                pass
            assert closed.value.code == 1000


async def test_a_request_that_took_longer_than_the_window_takes_back_no_units_of_others() -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI()
    limiter.protect(app)

    @app.get("/other")
    @limiter.limit("9/hour", scope="s")
    def other() -> None: ...

    @app.get("/slow")
    @limiter.limit("2/20ms", scope="s", count_if=lambda _: False)
    async def slow() -> None:
        await asyncio.sleep(0.03)
        assert remaining(await fetch(app, "/other")) == {"9/hour": 8}

    assert (await fetch(app, "/slow")).status_code == 200
    assert remaining(await fetch(app, "/other")) == {"9/hour": 7}


async def test_units_under_a_policy_are_taken_back_also_after_its_shortest_window(server: Server) -> None:
    server.db().execute_command("RL.POLICY", "SET", "login", 5, "20ms", 20, "1h")
    async with RateLimiter(server.url, timeout=5) as limiter:
        app = app_of(limiter, True)

        @app.get("/login")
        @limiter.limit(Limits.of_policy("login"), count_if=lambda _: False)
        async def login() -> None:
            await asyncio.sleep(0.03)

        assert (await fetch(app, "/login")).status_code == 200
        assert server.db().exists("ratelog:{ip:192.0.2.1}:GET /login") == 0
