"""Limits at their place: after the dependencies before them, all or none of a request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ratelog import RateLimiter
from support.apps import WITH_AND_WITHOUT, app_of
from support.asgi import client_for, fetch, remaining, statuses
from support.wait import until

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from support.server import Server


async def authenticate(request: Request, x_user: Annotated[str, Header()]) -> None:
    if x_user == "unknown":
        raise HTTPException(401)
    request.state.user = x_user


def user_of(connection: HTTPConnection) -> str:
    return f"user:{connection.state.user}"


@WITH_AND_WITHOUT
async def test_a_key_function_runs_after_the_dependencies_before_it(middleware: bool) -> None:
    limiter = RateLimiter("memory://", default="100/minute")
    app = app_of(limiter, middleware)

    @app.get("/", dependencies=[Depends(authenticate), Depends(limiter("2/minute", key=user_of))])
    def endpoint() -> int:
        return 1

    for user in ("ann", "bob"):
        assert await statuses(app, "/", "/", "/", headers={"x-user": user}) == [200, 200, 429]
    assert await statuses(app, "/", "/", "/", headers={"x-user": "unknown"}) == [401] * 3


@WITH_AND_WITHOUT
async def test_plans_costs_limits_and_registered_keys_are_evaluated_at_their_place(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    limiter.key("by-user")(user_of)
    limiter.plan(lambda connection: "pro" if connection.state.user == "ann" else "free")

    def endpoint() -> int:
        return 1

    for path, limit in {
        "/plan": limiter({"free": "1/minute", "pro": "2/minute"}, key="by-user"),
        "/cost": limiter("4/minute", key="by-user", cost=lambda c: 2 if c.state.user == "ann" else 4),
        "/limits": limiter(lambda c: "2/minute" if c.state.user == "ann" else "1/minute", key="by-user"),
    }.items():
        app.get(path, dependencies=[Depends(authenticate), Depends(limit)])(endpoint)
        assert await statuses(app, path, path, path, headers={"x-user": "ann"}) == [200, 200, 429], path
        assert await statuses(app, path, path, headers={"x-user": "bob"}) == [200, 429], path


@WITH_AND_WITHOUT
async def test_decorators_see_the_endpoints_dependencies(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/")
    @limiter.limit("1/minute", key=user_of)
    async def endpoint(_: Annotated[None, Depends(authenticate)]) -> int:
        return 1

    assert await statuses(app, "/", "/", headers={"x-user": "ann"}) == [200, 429]
    assert await statuses(app, "/", headers={"x-user": "bob"}) == [200]


@pytest.mark.parametrize("denied_first", [True, False])
async def test_a_later_denial_takes_back_what_earlier_stages_recorded(server: Server, denied_first: bool) -> None:
    def by_user(x_user: Annotated[str, Header()]) -> str:
        return x_user

    limits = ["5/minute", "2/minute"] if denied_first else ["2/minute", "5/minute"]
    async with RateLimiter(server.url, default="9/minute", timeout=5) as limiter:
        app = app_of(limiter, True)
        dependencies = [Depends(limiter(rules, key=by_user, scope=rules)) for rules in limits]

        @app.get("/", dependencies=dependencies)
        def endpoint() -> int:
            return 1

        async with client_for(app, headers={"x-user": "ann"}) as client:
            responses = [await client.get("/") for _ in range(5)]
        assert [response.status_code for response in responses] == [200, 200, 429, 429, 429]
        assert [remaining(response)["9/minute"] for response in responses] == [8, 7, 7, 7, 7]
        keys = ("ratelog:{ip:192.0.2.1}:*", "ratelog:{ann}:5/minute", "ratelog:{ann}:2/minute")
        assert [server.units(key) for key in keys] == [2, 2, 2]


async def test_concurrent_stages_never_exceed_a_limit_and_lose_no_unit(server: Server) -> None:
    def by_user(x_user: Annotated[str, Header()]) -> str:
        return x_user

    async with RateLimiter(server.url, default="30/minute", timeout=5) as limiter:
        app = app_of(limiter, True)

        @app.get("/", dependencies=[Depends(limiter("4/minute", key=by_user))])
        def endpoint() -> int:
            return 1

        async with client_for(app) as client:
            users = [f"user-{number % 3}" for number in range(60)]
            responses = await asyncio.gather(*(client.get("/", headers={"x-user": user}) for user in users))
        served = [response.status_code for response in responses].count(200)
        assert served <= 12
        assert server.units("ratelog:{ip:192.0.2.1}:*") == served


@WITH_AND_WITHOUT
async def test_costs_limits_and_plans_can_be_dependencies(middleware: bool) -> None:
    def size(x_size: Annotated[int, Header()] = 1) -> int:
        return x_size

    def rules(x_rules: Annotated[str, Header()] = "2/minute") -> str:
        return x_rules

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @limiter.plan
    def plan(x_plan: Annotated[str, Header()] = "free") -> str:
        return x_plan

    def endpoint() -> int:
        return 1

    for path, limit in {
        "/cost": limiter("2/minute", cost=size),
        "/limits": limiter(rules),
        "/plan": limiter({"free": "2/minute", "pro": "1/minute"}),
    }.items():
        app.get(path, dependencies=[Depends(limit)])(endpoint)
    assert await statuses(app, "/cost", "/cost", headers={"x-size": "2"}) == [200, 429]
    assert await statuses(app, "/cost", headers={"x-size": "many"}) == [422]
    assert await statuses(app, "/limits", "/limits", headers={"x-rules": "1/minute"}) == [200, 429]
    assert await statuses(app, "/plan", "/plan", headers={"x-plan": "pro"}) == [200, 429]


async def test_keys_and_costs_can_read_the_body() -> None:
    async def tenant(request: Request) -> str:
        return str((await request.json())["tenant"])

    limiter = RateLimiter("memory://", default="3/minute", key="tenant")
    limiter.key("tenant")(tenant)
    app = app_of(limiter, True)

    @app.post("/")
    @limiter.limit("2/minute", cost=lambda request: request.json())
    async def endpoint(request: Request, body: dict[str, Any]) -> Any:
        return body == await request.json()

    @app.post("/items")
    @limiter.limit("9/minute", key=tenant, cost=size_of)
    async def items(request: Request) -> Any:
        return await request.json()

    async with client_for(app) as client:
        for name in ("a", "b"):
            answers = [await client.post("/items", json={"tenant": name, "items": [1, 2]}) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[0].json() == {"tenant": name, "items": [1, 2]}
            assert remaining(answers[0]) == {"3/minute": 2, "9/minute": 7}


async def size_of(request: Request) -> int:
    return len((await request.json())["items"])


@WITH_AND_WITHOUT
async def test_path_parameters_are_there_for_keys(middleware: bool) -> None:
    limiter = RateLimiter("memory://", default="2/minute", key="tenant")
    limiter.key("tenant")(lambda connection: connection.path_params["tenant"])
    app = app_of(limiter, middleware)

    @app.get("/{tenant}/items/{id:int}")
    @limiter.limit("1/minute", key=lambda c: f"{c.path_params['tenant']}/{c.path_params['id']}")
    def endpoint(tenant: str, id: int) -> Any:  # noqa: A002
        return [tenant, id]

    assert await statuses(app, "/a/items/1", "/a/items/1", "/a/items/2", "/b/items/1") == [200, 429, 200, 200]
    assert (await fetch(app, "/c/items/5")).json() == ["c", 5]


async def test_limits_of_starlette_endpoints_are_checked_at_their_place() -> None:
    limiter = RateLimiter("memory://", default="9/minute")

    @limiter.limit("1/minute", key=lambda c: c.query_params["user"])
    async def endpoint(_: Request) -> PlainTextResponse:
        return PlainTextResponse("fine")

    app = Starlette(routes=[Route("/", endpoint)])
    limiter.protect(app)
    assert await statuses(app, "/?user=a", "/?user=a", "/?user=b") == [200, 429, 200]
    assert remaining(await fetch(app, "/?user=c"))["9/minute"] == 6


def test_a_plan_with_dependencies_must_be_registered_where_it_is_known() -> None:
    def plan(x_plan: Annotated[str, Header()]) -> str:
        return x_plan

    by_plan = {"free": "1/minute", "pro": "2/minute"}
    with pytest.raises(ValueError, match="must take the connection only: the limits of the settings are checked"):
        RateLimiter("memory://", default=by_plan).plan(plan)
    limiter = RateLimiter("memory://")
    FastAPI().get("/", dependencies=[Depends(limiter(by_plan))])(lambda: 1)
    with pytest.raises(ValueError, match=r"register the plan function .*plan above the endpoints that need it"):
        limiter.plan(plan)


async def test_units_that_an_override_does_not_record_are_not_taken_back(server: Server) -> None:
    async with RateLimiter(server.url, default="100/minute", prefix="unrecorded") as limiter:
        app = app_of(limiter, True)
        app.get("/", dependencies=[Depends(limiter("1/minute", key=lambda _: "all"))])(lambda: 1)
        assert await statuses(app, "/", "/") == [200, 429]
        database = server.db()
        (key,) = [key for key in database.keys("unrecorded:*") if b"all" not in key]
        assert len(database.execute_command("RL.HITS", key)) == 1
        database.execute_command("RL.OVERRIDE", "SET", key, "ALLOW")
        # Units of the same millisecond could be those of the check.
        recorded_at = database.time()
        await until("a millisecond is over", lambda: database.time() >= (recorded_at[0], recorded_at[1] + 2000))
        assert await statuses(app, "/", "/", "/") == [429, 429, 429]
        assert len(database.execute_command("RL.HITS", key)) == 1
