"""All limits on a request are checked in one round trip, and counted once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header

from ratelog import RateLimiter
from support.asgi import CLIENT, client_for, fetch, statuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.server import Server

KEY = f"ratelog:{{ip:{CLIENT}}}"


def caller(x_user: Annotated[str, Header()]) -> str:
    return x_user


@pytest.fixture
async def limiter(server: Server) -> AsyncIterator[RateLimiter]:
    endpoints = [{"path": "/settings", "limits": "7/minute"}]
    async with RateLimiter(server.url, timeout=30, default="100/minute", endpoints=endpoints) as limiter:
        yield limiter


def app_of(limiter: RateLimiter, *decorated: str, middleware: bool = True) -> FastAPI:
    app = FastAPI()
    if middleware:
        limiter.protect(app)

    @app.get("/settings", dependencies=[Depends(limiter("9/minute"))])
    @limiter.limit("8/minute")
    def settings() -> int:
        return 1

    @app.get("/pipeline", dependencies=[Depends(limiter("9/minute", "90/hour", cost=2))])
    def pipeline() -> int:
        return 1

    @app.get("/by-dependency", dependencies=[Depends(limiter("1/minute", key=caller))])
    def by_dependency() -> int:
        return 1

    return app


def calls(server: Server) -> dict[str, int]:
    stats = server.db().info("commandstats")
    return {
        name.lower().removeprefix("cmdstat_rl.").upper(): stat["calls"]
        for name, stat in stats.items()
        if name.lower().startswith("cmdstat_rl.") and name.lower() != "cmdstat_rl.inspect"
    }


async def test_four_limits_on_a_request_are_one_command(server: Server, limiter: RateLimiter) -> None:
    app = app_of(limiter)
    server.db().config_resetstat()
    assert await statuses(app, *["/settings"] * 3) == [200] * 3
    assert calls(server) == {"MCHECK": 3}
    keys = [key.decode() for key in server.db().scan_iter()]
    scopes = ("*", "GET /settings", "GET /settings#", "settings:* /settings")
    assert sorted(keys) == sorted(f"{KEY}:{scope}" for scope in scopes)
    assert {server.units(key) for key in keys} == {3}


async def test_without_middleware_the_limits_of_an_endpoint_are_one_command(
    server: Server, limiter: RateLimiter
) -> None:
    app = app_of(limiter, middleware=False)
    server.db().config_resetstat()
    assert await statuses(app, "/settings") == [200]
    assert calls(server) == {"MCHECK": 1}
    assert server.units(f"{KEY}:GET /settings") == server.units(f"{KEY}:GET /settings#") == 1


async def test_limits_with_several_costs_are_one_packet_and_count_once(server: Server, limiter: RateLimiter) -> None:
    app = app_of(limiter)
    server.db().config_resetstat()
    before = server.db().info("stats")["total_reads_processed"]
    assert await statuses(app, "/pipeline") == [200]
    reads = server.db().info("stats")["total_reads_processed"] - before
    assert calls(server) == {"CHECK": 2}
    assert (server.units(f"{KEY}:*"), server.units(f"{KEY}:GET /pipeline")) == (1, 2)
    assert reads <= 8


async def test_a_denied_request_records_nothing(server: Server, limiter: RateLimiter) -> None:
    app = app_of(limiter)
    for path, times in (("/settings", 7), ("/pipeline", 4)):
        assert await statuses(app, *[path] * (times + 2)) == [200] * times + [429] * 2
    assert server.units(f"{KEY}:*") == 11
    assert server.units(f"{KEY}:GET /settings") == 7
    assert server.units(f"{KEY}:GET /pipeline") == 8


async def test_a_dependency_key_costs_one_more_command(server: Server, limiter: RateLimiter) -> None:
    app = app_of(limiter)
    server.db().config_resetstat()
    assert await statuses(app, "/by-dependency", headers={"x-user": "ann"}) == [200]
    assert calls(server) == {"CHECK": 2}
    assert server.units("ratelog:{ann}:GET /by-dependency") == server.units(f"{KEY}:*") == 1


async def test_concurrent_requests_are_allowed_exactly_up_to_the_limit(server: Server, limiter: RateLimiter) -> None:
    app = app_of(limiter)
    async with client_for(app) as client:
        responses = await asyncio.gather(*(client.get("/settings") for _ in range(40)))
    assert [response.status_code for response in responses].count(200) == 7
    assert server.units(f"{KEY}:*") == 7


async def test_no_secret_is_stored_in_the_server(server: Server, limiter: RateLimiter) -> None:
    app = app_of(limiter)

    @app.get("/keyed")
    @limiter.limit("5/minute", key="api_key")
    def keyed() -> int:
        return 1

    headers = {"x-api-key": "s3cr3t-api-key", "authorization": "Bearer s3cr3t-token", "cookie": "session=s3cr3t"}
    response: Any = await fetch(app, "/keyed?token=s3cr3t", headers=headers)
    assert response.status_code == 200
    keys = list(server.db().scan_iter())
    assert len(keys) == 2
    assert all(b"s3cr3t" not in key and b"s3cr3t" not in (server.db().dump(key) or b"") for key in keys)
