"""Costs that functions compute, often from what clients send."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations
from starlette.responses import PlainTextResponse

from ratelog import RateLimiter
from support.apps import WITH_AND_WITHOUT, app_of
from support.asgi import client_for, fetch, remaining, statuses

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from support.server import Server


def cost_of(connection: HTTPConnection) -> Any:
    text = connection.query_params["n"]
    return json.loads(text)


@pytest.fixture(params=["module", "script", "memory"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://"
    server: Server = request.getfixturevalue("server" if request.param == "module" else "plain_server")
    return server.url


@WITH_AND_WITHOUT
async def test_no_cost_that_a_client_sends_is_an_error(url: str, middleware: bool) -> None:
    async with RateLimiter(url, timeout=5) as limiter:
        app = app_of(limiter, middleware)

        @app.get("/")
        @limiter.limit("9/minute", cost=cost_of)
        async def endpoint(_: Request) -> int:
            return 1

        async def left(query: str) -> tuple[int, int]:
            response = await fetch(app, f"/{query}")
            return response.status_code, remaining(response)["9/minute"]

        assert await left("?n=2") == (200, 7)
        # Free requests are checked, but not counted.
        assert await left("?n=0") == (200, 7)
        invalid = ("?n=-5", "?n=abc", "?n=null", "", "?n=true", "?n=0.5")
        assert [await left(query) for query in invalid] == [(200, units) for units in (6, 5, 4, 3, 2, 1)]
        too_great = [f"?n={cost}" for cost in (10, 1_000_000, 1_000_001, 10**30)]
        for query in too_great:
            denied = await fetch(app, f"/{query}")
            assert (denied.status_code, "retry-after" in denied.headers) == (429, False), query


async def test_a_free_request_is_denied_where_nothing_is_left(url: str) -> None:
    async with RateLimiter(url, default="20/minute", timeout=5) as limiter:
        app = app_of(limiter, True)

        @app.get("/")
        @limiter.limit("2/minute", cost=cost_of)
        async def endpoint(_: Request) -> int:
            return 1

        assert await statuses(app, "/?n=2", "/?n=0", "/?n=0") == [200, 429, 429]
        assert remaining(await fetch(app, "/?n=0"))["20/minute"] == 19


@pytest.mark.parametrize("middleware", [True, False])
async def test_an_error_of_a_cost_that_the_application_handles_is_its_response(middleware: bool) -> None:
    class LoginError(Exception):
        pass

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.exception_handler(LoginError)
    async def respond(_: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("log in", 401)

    def cost(_: Request) -> int:
        raise LoginError

    def cost_of_dependency(n: int = 1) -> int:
        raise LoginError

    app.get("/a", dependencies=[Depends(limiter("9/minute", cost=cost))])(lambda: 1)
    app.get("/b", dependencies=[Depends(limiter("9/minute", cost=cost_of_dependency))])(lambda: 1)
    assert await statuses(app, "/a", "/b") == [401, 401]


def test_a_cost_that_yields_is_refused() -> None:
    def cost(n: int = 1) -> Any:
        yield n

    async def cost_later(n: int = 1) -> Any:
        yield n

    for function in (cost, cost_later):
        with pytest.raises(ValueError, match="must return the cost, and not yield it"):
            RateLimiter("memory://")("9/minute", cost=function)


async def test_an_invalid_cost_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)

    @app.get("/")
    @limiter.limit("9/minute", cost=cost_of)
    async def endpoint(_: Request) -> int:
        return 1

    with caplog.at_level(logging.WARNING, "ratelog"):
        assert await statuses(app, "/?n=x", "/?n=-1", "/?n=y") == [200] * 3
    error = "JSONDecodeError('Expecting value: line 1 column 1 (char 0)')"
    assert [record.getMessage() for record in caplog.records] == [
        f"the cost function cost_of raised {error}, which is no integer from 0 on; the request costs 1"
    ]


async def test_no_cost_of_a_dependency_or_a_body_is_an_error() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)

    def size(n: str = "1") -> int:
        return int(n)

    async def size_later(n: str = "1") -> int:
        return int(n)

    async def of_body(request: Request) -> Any:
        return (await request.json()).get("n", 1)

    costs: dict[str, Any] = {"/a": size, "/b": size_later, "/c": of_body}
    for path, cost in costs.items():
        app.post(path, dependencies=[Depends(limiter("9/minute", cost=cost))])(lambda: 1)
    async with client_for(app) as client:
        for path in ("/a", "/b"):
            assert remaining(await client.post(f"{path}?n=3")) == {"9/minute": 6}
            assert remaining(await client.post(f"{path}?n=abc")) == {"9/minute": 5}
        for body in (b"[]", b"[" * 100_000, b"\xff", b'{"n": 2}'):
            answer = await client.post("/c", content=body)
            assert answer.status_code == 200
        assert remaining(answer) == {"9/minute": 4}
