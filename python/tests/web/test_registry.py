"""Plans, functions that return limits, and named keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from ratelog import ConfigError, Limits, RateLimiter
from support.asgi import fetch, recording_limiter, remaining, statuses

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

PLANS = {"free": "1/minute", "pro": "3/minute"}


def app_of(limiter: RateLimiter, limits: Any = PLANS, **options: Any) -> FastAPI:
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @limiter.limit(limits, **options)
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


async def test_limits_by_plan_without_a_plan_function_are_those_of_the_first_plan() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter)
    with pytest.raises(ConfigError, match=r"need a plan function: register it with @limiter.plan"):
        await limiter.start()
    assert (await fetch(app, "/")).headers["ratelimit-policy"] == f'"{PLANS["free"]}";q=1;w=60'
    assert "need a plan function" in limiter.health().problems[0]


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

    app = app_of(RateLimiter("memory://"), limits_later if asynchronous else limits)
    assert await statuses(app, "/", "/") == [200, 200]
    assert await statuses(app, "/", "/", headers={"x-limits": "1/minute"}) == [200, 429]
    assert await statuses(app, "/", "/", headers={"x-limits": "object"}) == [200, 429]
    with pytest.raises(ValueError, match="fortnight"):
        await fetch(app, "/", headers={"x-limits": "1/fortnight"})


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_registered_key_is_known_to_settings_and_limits(asynchronous: bool) -> None:
    limiter, keys = recording_limiter(key="tenant", default="9/minute")

    def tenant(connection: HTTPConnection) -> str:
        return str(connection.headers["x-tenant"])

    async def tenant_later(connection: HTTPConnection) -> str:
        return tenant(connection)

    limiter.key("tenant")(tenant_later if asynchronous else tenant)
    await fetch(app_of(limiter, "2/minute", key="tenant"), "/", headers={"x-tenant": "t"})
    assert keys == ["ratelog:{t}:*", "ratelog:{t}:GET /"]


@pytest.mark.parametrize("name", ["tenant", "_proxies", "__class__", ""])
async def test_an_unknown_key_is_reported_and_the_address_is_counted(name: str) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, "1/minute", key=name)
    problem = f"there is no key named '{name}': expected ip, api_key, user, or a name registered with limiter.key"
    with pytest.raises(ConfigError, match=re.escape(problem)):
        await limiter.start()
    assert await statuses(app, "/", "/") == [200, 429]
    assert await statuses(app, "/", ip="192.0.2.2") == [200]
    assert limiter.health().problems == (f"{problem}; requests are counted by client address",)


def test_registering_a_key_with_dependencies_raises() -> None:
    with pytest.raises(TypeError, match="the key 'x' must take the connection only"):
        RateLimiter("memory://").key("x")(lambda a, b: "x")
