"""Limits as decorators of endpoints."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from ratelog import RateLimiter
from support.asgi import client_for, fetch, remaining, statuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

WITH_AND_WITHOUT = pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "no middleware"])


class Item(BaseModel):
    name: str


def app_of(limiter: RateLimiter, middleware: bool) -> FastAPI:
    app = FastAPI()
    if middleware:
        limiter.protect(app)
    return app


@WITH_AND_WITHOUT
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_endpoint_needs_no_request_and_keeps_its_parameters(middleware: bool, asynchronous: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    def sync(item: Item, q: int = 3, *, x: Annotated[str, Header()] = "h") -> list[Any]:
        """Documented."""
        return [item.name, q, x]

    async def asynchronous_endpoint(item: Item, q: int = 3, *, x: Annotated[str, Header()] = "h") -> list[Any]:
        """Documented."""
        return [item.name, q, x]

    endpoint = limiter.limit("1/minute")(asynchronous_endpoint if asynchronous else sync)
    app.post("/")(endpoint)
    async with client_for(app, headers={"x": "y"}) as client:
        first = await client.post("/?q=4", json={"name": "n"})
        second = await client.post("/?q=4", json={"name": "n"})
    assert (first.json(), remaining(first)) == (["n", 4, "y"], {"1/minute": 0})
    assert second.status_code == 429
    assert endpoint.__doc__ == "Documented."


async def test_the_middleware_denies_before_the_body_is_validated() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, True)

    @app.post("/")
    @limiter.limit("1/minute")
    def endpoint(item: Item) -> None: ...

    async with client_for(app) as client:
        assert (await client.post("/", content=b"no JSON")).status_code == 422
        assert (await client.post("/", content=b"no JSON")).status_code == 429


@WITH_AND_WITHOUT
async def test_two_decorators_both_apply(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/")
    @limiter.limit("9/minute")
    @limiter.limit("2/hour", key="api_key")
    async def endpoint(q: int = 1) -> int:
        return q

    responses = [await fetch(app, "/") for _ in range(3)]
    assert remaining(responses[0]) == {"2/hour": 1, "9/minute": 8}
    assert [response.status_code for response in responses] == [200, 200, 429]


@WITH_AND_WITHOUT
async def test_other_decorators_work_above_and_below(middleware: bool) -> None:
    def upper_case(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return (await function(*args, **kwargs)).upper()

        return wrapper

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/above")
    @upper_case
    @limiter.limit("1/minute")
    async def above(q: str) -> str:
        return q

    @app.get("/below")
    @limiter.limit("1/minute")
    @upper_case
    async def below(q: str) -> str:
        return q

    for path in ("/above?q=x", "/below?q=x"):
        first, second = await fetch(app, path), await fetch(app, path)
        assert (first.json(), second.status_code) == ("X", 429)


@WITH_AND_WITHOUT
async def test_the_added_parameter_is_not_passed_to_the_endpoint(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @limiter.limit("1/minute")
    def endpoint(**rest: Any) -> dict[str, Any]:
        return rest

    assert list(inspect.signature(endpoint).parameters)[-1] == "rest"
    app.get("/", dependencies=[])(limiter.limit("5/minute")(lambda: 5))
    assert remaining(await fetch(app, "/")) == {"5/minute": 4}


@WITH_AND_WITHOUT
async def test_a_dependency_can_be_decorated(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @limiter.limit("1/minute")
    def expensive(q: int = 1) -> int:
        return q

    @app.get("/")
    def endpoint(value: int = Depends(expensive)) -> int:
        return value

    first, second = await fetch(app, "/?q=7"), await fetch(app, "/?q=7")
    assert (first.json(), second.status_code) == (7, 429)


@WITH_AND_WITHOUT
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_generators_stay_generators_and_are_closed(middleware: bool, asynchronous: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)
    trace: list[str] = []

    @limiter.limit("1/minute")
    def generator() -> Iterator[str]:
        try:
            yield "a"
        finally:
            trace.append("closed")

    @limiter.limit("1/minute")
    async def some_later() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            trace.append("closed")

    chosen: Any = some_later if asynchronous else generator
    assert inspect.isasyncgenfunction(chosen) is asynchronous
    assert inspect.isgeneratorfunction(chosen) is not asynchronous

    @app.get("/", response_class=PlainTextResponse)
    def endpoint(value: str = Depends(chosen)) -> str:
        return value

    first, second = await fetch(app, "/"), await fetch(app, "/")
    assert (first.text, second.status_code) == ("a", 429)
    assert trace == ["closed"]


async def test_an_asynchronous_generator_is_closed_when_its_reader_leaves() -> None:
    limiter = RateLimiter("memory://")
    trace: list[str] = []

    @limiter.limit("9/minute")
    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            trace.append("closed")

    generator: Any = items(ratelog_decision_0=None)  # type: ignore[call-arg]
    assert await generator.__anext__() == 1
    await generator.aclose()
    assert trace == ["closed"]


@WITH_AND_WITHOUT
async def test_a_streaming_response_is_limited_and_has_headers(middleware: bool) -> None:
    limiter = RateLimiter("memory://")

    @limiter.limit("1/minute")
    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"b"]))

    app = Starlette(routes=[Route("/", endpoint)])
    if middleware:
        limiter.protect(app)
    first, second = await fetch(app, "/"), await fetch(app, "/")
    assert (first.text, remaining(first)) == ("ab", {"1/minute": 0})
    assert second.status_code == 429


def test_decorating_a_class_raises() -> None:
    with pytest.raises(TypeError, match=r"decorate the methods of the class .*Endpoint"):

        @RateLimiter("memory://").limit("1/minute")
        class Endpoint:
            pass


async def test_a_call_without_a_request_raises_with_the_endpoints_name() -> None:
    limiter = RateLimiter("memory://")

    @limiter.limit("1/minute")
    async def endpoint() -> None: ...

    with pytest.raises(TypeError, match=r"endpoint is rate limited and was called without a request"):
        await endpoint()


async def test_a_key_with_dependencies_raises_outside_of_fastapi() -> None:
    def caller(x_user: Annotated[str, Header()]) -> str:
        return x_user

    limiter = RateLimiter("memory://")

    @limiter.limit("1/minute", key=caller)
    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("unlimited")

    with pytest.raises(TypeError, match=r"endpoint has dependencies, which only FastAPI can resolve"):
        await fetch(Starlette(routes=[Route("/", endpoint)]), "/")


@WITH_AND_WITHOUT
async def test_the_same_function_on_two_paths_is_counted_by_path(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/one")
    @app.get("/two")
    @limiter.limit("1/minute")
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/one", "/two", "/one", "/two") == [200, 200, 429, 429]
