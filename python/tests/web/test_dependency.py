"""Limits as FastAPI dependencies."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from ratelog import Decision, RateLimiter
from support.apps import WITH_AND_WITHOUT, app_of, caller
from support.asgi import fetch, remaining, statuses


@WITH_AND_WITHOUT
async def test_all_rules_of_a_dependency_apply(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/", dependencies=[Depends(limiter("3/minute", "2/hour"))])
    def endpoint() -> int:
        return 1

    responses = [await fetch(app, "/") for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert responses[0].headers["ratelimit-policy"] == '"3/minute";q=3;w=60, "2/hour";q=2;w=3600'
    assert remaining(responses[0]) == {"2/hour": 1}
    assert responses[2].headers["retry-after"]


@WITH_AND_WITHOUT
async def test_the_endpoint_receives_the_decision(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    limit = limiter("3/minute")

    @app.get("/", response_model=None)
    def endpoint(decision: Decision | None = Depends(limit)) -> list[int | str]:  # noqa: B008
        assert decision is not None
        return [decision.remaining, decision.source]

    assert (await fetch(app, "/")).json() == [2, "local"]


@WITH_AND_WITHOUT
async def test_a_dependency_used_several_times_counts_once(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    limit = limiter("9/minute")

    async def nested(_: Any = Depends(limit, use_cache=False)) -> None: ...  # noqa: B008

    router = APIRouter(dependencies=[Depends(limit), Depends(nested)])

    @router.get("/", dependencies=[Depends(limit, use_cache=False)])
    def endpoint() -> int:
        return 1

    app.include_router(router)
    assert remaining(await fetch(app, "/")) == {"9/minute": 8}


@WITH_AND_WITHOUT
async def test_each_path_of_a_function_is_counted_separately(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/one", dependencies=[Depends(limiter("1/minute"))])
    @app.get("/two/{id:int}", dependencies=[Depends(limiter("1/minute"))])
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/one", "/two/1", "/one", "/two/2") == [200, 200, 429, 429]


@WITH_AND_WITHOUT
async def test_a_scope_is_counted_together(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/one", dependencies=[Depends(limiter("2/minute", scope="search"))])
    @app.get("/two", dependencies=[Depends(limiter("2/minute", scope="search"))])
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/one", "/two", "/one") == [200, 200, 429]


@WITH_AND_WITHOUT
async def test_several_limits_of_an_endpoint_are_counted_separately(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/", dependencies=[Depends(limiter("9/minute")), Depends(limiter("8/hour")), Depends(limiter("7/day"))])
    def endpoint() -> int:
        return 1

    assert remaining(await fetch(app, "/")) == {"9/minute": 8, "8/hour": 7, "7/day": 6}


async def test_a_scope_named_like_the_defaults_is_counted_separately() -> None:
    limiter = RateLimiter("memory://", default="9/minute")
    app = app_of(limiter, True)

    @app.get("/", dependencies=[Depends(limiter("8/minute", scope="*"))])
    def endpoint() -> int:
        return 1

    assert remaining(await fetch(app, "/")) == {"9/minute": 8, "8/minute": 7}


@WITH_AND_WITHOUT
async def test_an_overridden_dependency_does_not_limit(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    limit, inside = limiter("1/minute"), limiter("1/minute")

    async def wraps(_: Any = Depends(inside)) -> None: ...  # noqa: B008

    @app.get("/limit", dependencies=[Depends(limit)])
    @app.get("/wraps", dependencies=[Depends(wraps)])
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/limit", "/limit", "/wraps", "/wraps") == [200, 429, 200, 429]
    app.dependency_overrides = {limit: lambda: None, wraps: lambda: None}
    assert await statuses(app, "/limit", "/wraps") == [200, 200]
    app.dependency_overrides = {}
    assert await statuses(app, "/limit", "/wraps") == [429, 429]


@WITH_AND_WITHOUT
async def test_yield_dependencies_are_closed_when_a_later_limit_denies(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    trace: list[str] = []

    async def session() -> Any:
        trace.append("open")
        try:
            yield
        finally:
            trace.append("close")

    @app.get("/", dependencies=[Depends(session), Depends(limiter("1/minute", key=caller))])
    def endpoint() -> int:
        trace.append("endpoint")
        return 1

    assert await statuses(app, "/", "/", headers={"x-user": "ann"}) == [200, 429]
    assert trace == ["open", "endpoint", "close", "open", "close"]


async def test_a_limit_in_a_mounted_application_is_found_without_middleware_of_its_own() -> None:
    limiter = RateLimiter("memory://", default="9/minute")
    app, sub = app_of(limiter, True), FastAPI()

    @sub.get("/{id}", dependencies=[Depends(limiter("2/minute"))])
    def endpoint() -> int:
        return 1

    app.mount("/tenants/{tenant}", sub)
    app.mount("/wrapped/{tenant}", CORSMiddleware(sub))
    assert await statuses(app, "/tenants/a/1", "/tenants/b/2", "/tenants/c/3") == [200, 200, 429]
    assert await statuses(app, "/wrapped/a/1", "/wrapped/b/2", "/wrapped/c/3") == [200, 200, 429]


async def test_limits_in_a_mounted_application_apply_without_middleware() -> None:
    limiter = RateLimiter("memory://")
    app, sub = FastAPI(), FastAPI()

    @sub.get("/{id}", dependencies=[Depends(limiter("2/minute"))])
    def endpoint() -> int:
        return 1

    app.mount("/tenants/{tenant}", sub)
    assert await statuses(app, "/tenants/a/1", "/tenants/b/2", "/tenants/c/3") == [200, 200, 429]


async def test_a_dependency_of_another_limiter_is_checked_by_that_limiter() -> None:
    one, other = RateLimiter("memory://", default="9/minute"), RateLimiter("memory://")
    app = app_of(one, True)

    @app.get("/", dependencies=[Depends(other("1/hour"))])
    def endpoint() -> int:
        return 1

    first, second = await fetch(app, "/"), await fetch(app, "/")
    assert remaining(first)["9/minute"] == 8
    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["violated-policies"] == ["1/hour"]
