"""Limits by plan, and by connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from ratelog import ConfigError, Limits, RateLimiter
from support.asgi import fetch, remaining, statuses

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

PLANS = {"free": "1/minute", "pro": "3/minute"}


def app_of(limiter: RateLimiter) -> FastAPI:
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @limiter.limit(PLANS)
    def endpoint() -> int:
        return 1

    return app


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_plan_selects_the_limits_and_unknown_plans_get_the_first(asynchronous: bool) -> None:
    limiter = RateLimiter("memory://")

    def plan(connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-plan")

    async def plan_later(connection: HTTPConnection) -> str | None:
        return plan(connection)

    limiter.plan(plan_later if asynchronous else plan)
    app = app_of(limiter)
    for number, (name, limit) in enumerate({"free": 1, "pro": 3, "unheard-of": 1}.items()):
        ip = f"192.0.2.{number}"
        assert await statuses(app, *["/"] * 4, ip=ip, headers={"x-plan": name}) == [200] * limit + [429] * (4 - limit)
    assert remaining(await fetch(app, "/", ip="192.0.2.9")) == {"1/minute": 0}


async def test_limits_by_plan_without_a_plan_function_raise() -> None:
    with pytest.raises(ConfigError, match=r"need a plan function: register it with @limiter.plan"):
        await fetch(app_of(RateLimiter("memory://")), "/")


async def test_defaults_can_differ_by_plan() -> None:
    limiter = RateLimiter("memory://", default=PLANS)
    limiter.plan(lambda connection: connection.headers.get("x-plan"))
    app = FastAPI()
    limiter.protect(app)
    assert await statuses(app, "/", "/", headers={"x-plan": "pro"}) == [404, 404]
    assert await statuses(app, "/") == [429]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_returns_the_limits_or_exempts_the_request(asynchronous: bool) -> None:
    def limits(connection: HTTPConnection) -> str | Limits | None:
        value = connection.headers.get("x-limits")
        return Limits("2/minute") if value == "object" else value

    async def limits_later(connection: HTTPConnection) -> str | Limits | None:
        return limits(connection)

    limiter = RateLimiter("memory://")
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @limiter.limit(limits_later if asynchronous else limits)
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/", "/") == [200, 200]
    assert await statuses(app, "/", "/", headers={"x-limits": "1/minute"}) == [200, 429]
    assert await statuses(app, "/", "/", headers={"x-limits": "object"}) == [200, 429]
    with pytest.raises(ValueError, match="fortnight"):
        await fetch(app, "/", headers={"x-limits": "1/fortnight"})
