"""Limits on requests, as a program declares them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import pytest
from fastapi import Depends, Header, Request

from ratelog import RateLimiter
from support.apps import WITH_AND_WITHOUT, app_of
from support.asgi import client_for, fetch, remaining, statuses


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((), "at least one rule"),
        (({},), "at least one plan"),
        (("5/minute", {"pro": "5/minute"}), "must all be text"),
        (("5/fortnight",), "fortnight"),
        ((5,), "limits must be a str"),
    ],
)
def test_invalid_limits_are_rejected_at_declaration(limits: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        RateLimiter("memory://")(*limits)


@pytest.mark.parametrize("cost", [0, -1, 1_000_001, True, 1.5])
def test_an_invalid_cost_is_rejected_at_declaration(cost: Any) -> None:
    with pytest.raises(ValueError, match="a cost must be an integer"):
        RateLimiter("memory://")("5/minute", cost=cost)


@WITH_AND_WITHOUT
async def test_a_limit_can_apply_to_some_methods(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.api_route("/", methods=["GET", "POST"])
    @limiter.limit("1/minute", methods=["post"])
    def endpoint() -> int:
        return 1

    async with client_for(app) as client:
        assert [(await client.get("/")).status_code for _ in range(3)] == [200] * 3
        assert [(await client.post("/")).status_code for _ in range(2)] == [200, 429]
    assert limiter("1/minute", methods=["GET"]).limit.applies_to("HEAD")


@WITH_AND_WITHOUT
async def test_a_request_can_be_exempt_from_one_limit(middleware: bool) -> None:
    def is_admin(x_role: Annotated[str, Header()] = "") -> bool:
        return x_role == "admin"

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    by_connection = limiter("1/minute", exempt_when=lambda c: c.headers.get("x-role") == "admin")
    app.get("/a", dependencies=[Depends(by_connection)])(lambda: 1)
    app.get("/b", dependencies=[Depends(limiter("1/minute", exempt_when=is_admin))])(lambda: 1)
    for path in ("/a", "/b"):
        assert await statuses(app, path, path, path, headers={"x-role": "admin"}) == [200] * 3
        assert await statuses(app, path, path) == [200, 429]


async def test_limits_of_the_settings_can_select_tags() -> None:
    class Tags(Enum):
        costly = "costly"

    endpoints: list[dict[str, object]] = [
        {"tags": "costly,other", "limits": "1/minute"},
        {"tags": ["open"], "exempt": True},
    ]
    limiter = RateLimiter("memory://", default="3/minute", endpoints=endpoints)
    app = app_of(limiter, True)
    app.get("/search", tags=[Tags.costly])(lambda: 1)
    app.get("/open", tags=["open", "x"])(lambda: 1)
    app.get("/plain")(lambda: 1)
    assert await statuses(app, *["/open"] * 5) == [200] * 5
    assert await statuses(app, "/search", "/search", "/plain", "/plain", "/plain") == [200, 429, 200, 200, 429]
    assert await statuses(app, "/search", ip="192.0.2.2") == [200]


async def test_each_endpoint_can_have_a_default() -> None:
    limiter = RateLimiter("memory://", default="5/minute", default_per_endpoint="2/minute")
    app = app_of(limiter, True)
    app.get("/a/{number}")(lambda number: number)
    app.get("/b", dependencies=[Depends(limiter("9/minute", override_defaults=True))])(lambda: 1)
    app.get("/c")(lambda: 1)
    assert await statuses(app, "/a/1", "/a/2", "/a/3", "/c") == [200, 200, 429, 200]
    assert await statuses(app, *["/b"] * 9) == [200] * 9
    assert await statuses(app, "/nope", "/nope", "/nope") == [404, 404, 429]


@pytest.mark.parametrize("methods", ["POST", ["PSOT"], ["POST,GET"]])
def test_methods_must_be_a_list_of_methods(methods: Any) -> None:
    with pytest.raises(ValueError, match=r"methods must be a list of HTTP methods, such as \['POST'\], not"):
        RateLimiter("memory://")("1/minute", methods=methods)


@WITH_AND_WITHOUT
async def test_a_limits_units_do_not_depend_on_the_other_limits_of_a_request(middleware: bool) -> None:
    limiter = RateLimiter("memory://", default_per_endpoint="9/minute")
    app = app_of(limiter, middleware)

    @app.api_route("/n", methods=["GET", "POST"], operation_id="n")
    @limiter.limit("5/minute")
    @limiter.limit("2/minute", methods=["POST"])
    def endpoint() -> int:
        return 1

    app.get("/once", dependencies=[Depends(limiter("3/minute"))])(lambda: 1)
    async with client_for(app) as client:
        assert [(await client.get("/n")).status_code for _ in range(3)] == [200] * 3
        assert [(await client.post("/n")).status_code for _ in range(3)] == [200, 200, 429]


async def test_limits_of_settings_and_of_endpoints_have_separate_units() -> None:
    endpoints = [{"path": "/users/{id}", "methods": ["GET"], "limits": "100/minute"}]
    limiter = RateLimiter("memory://", endpoints=endpoints)
    app = app_of(limiter, True)
    app.get("/users/me")(lambda: 1)
    app.get("/users/{id}", dependencies=[Depends(limiter("3/minute"))])(lambda: 1)
    assert await statuses(app, *["/users/me"] * 3, "/users/5") == [200] * 4


@WITH_AND_WITHOUT
async def test_a_scope_is_shared_whatever_the_order_of_limits(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    def many() -> Any:
        return Depends(limiter("100/minute", scope="api"))

    def by_user() -> Any:
        return Depends(limiter("2/minute", scope="api", key=lambda _: "ann"))

    app.get("/a", dependencies=[many(), by_user()])(lambda: 1)
    app.get("/b", dependencies=[by_user(), many()])(lambda: 1)
    assert await statuses(app, "/a", "/a", "/b", "/b") == [200, 200, 429, 429]


@WITH_AND_WITHOUT
@pytest.mark.parametrize("order", [1, -1])
async def test_a_request_without_an_api_key_counts_once_in_a_scope(middleware: bool, order: int) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    limits = [limiter("3/hour", key="api_key", scope="s"), limiter("100/hour", key="ip", scope="s")]
    app.get("/both", dependencies=[Depends(limit) for limit in limits[::order]])(lambda: 1)
    app.get("/ip", dependencies=[Depends(limits[1])])(lambda: 1)
    first = await fetch(app, "/both")
    assert remaining(first) == {"3/hour": 2, "100/hour": 99}
    assert await statuses(app, "/both", "/both", "/both") == [200, 200, 429]
    assert remaining(await fetch(app, "/ip")) == {"100/hour": 96}
    # An API key has units of its own, and its address counts with it.
    assert remaining(await fetch(app, "/both", headers={"x-api-key": "k"})) == {"3/hour": 2, "100/hour": 95}


@WITH_AND_WITHOUT
async def test_a_scope_is_shared_by_declared_limits_and_those_that_an_endpoint_enforces(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    by_key = limiter("2/hour", key="api_key", scope="s")

    async def enforced(request: Request) -> None:
        await by_key.enforce(request)

    app.get("/a", dependencies=[Depends(limiter("100/hour", key="ip", scope="s"))])(enforced)
    app.get("/b")(enforced)
    app.get("/c", dependencies=[Depends(by_key)])(lambda: 1)
    for headers in ({}, {"x-api-key": "k"}):
        assert await statuses(app, "/a", "/b", "/c", "/a", headers=headers) == [200, 200, 429, 429]


@WITH_AND_WITHOUT
async def test_endpoints_share_a_scope_also_if_one_has_further_limits(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    by_key, by_ip = (limiter(rule, key=key, scope="s") for rule, key in (("2/hour", "api_key"), ("100/hour", "ip")))
    app.get("/a", dependencies=[Depends(by_key), Depends(by_ip)])(lambda: 1)
    app.get("/b", dependencies=[Depends(by_key)])(lambda: 1)
    assert await statuses(app, "/a", "/b", "/a", "/b", headers={"x-api-key": "k"}) == [200, 200, 429, 429]
    assert await statuses(app, "/a", "/b", "/a", "/b") == [200, 200, 429, 429]


async def test_a_scope_of_the_settings_and_of_an_endpoint_counts_a_request_once_each() -> None:
    for scope in ("s", "*"):
        endpoints = [{"path": "/x", "limits": "2/hour", "scope": scope}]
        limiter = RateLimiter("memory://", default="50/hour", endpoints=endpoints)
        app = app_of(limiter, True)
        app.get("/x", dependencies=[Depends(limiter("100/hour", scope=scope, key="api_key"))])(lambda: 1)
        assert await statuses(app, "/x", "/x", "/x") == [200, 200, 429]
        assert remaining(await fetch(app, "/nope")) == {"50/hour": 47}


async def test_a_limit_whose_check_another_one_makes_has_its_decision() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, False)
    seen: list[int] = []

    def seeing(limit: Any) -> Any:
        async def see(decision: Any = Depends(limit)) -> None:  # noqa: B008 - FastAPI cannot evaluate a local name
            seen.append(decision.remaining)

        return Depends(see)

    by_function = limiter("9/hour", key=lambda _: "ip:192.0.2.1", scope="s")
    limits = [by_function, limiter("9/hour", key="ip", scope="s")]
    app.get("/x", dependencies=[seeing(limit) for limit in limits])(lambda: 1)
    assert (await fetch(app, "/x")).status_code == 200
    assert seen == [8, 8]


async def test_a_route_that_is_added_later_is_found() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app = app_of(limiter, True)
    assert await statuses(app, "/late") == [404]
    app.get("/late")(limiter.exempt(lambda: 1))
    assert await statuses(app, "/late", "/late") == [200, 200]
