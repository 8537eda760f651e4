"""Keys that are FastAPI dependencies."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, Header
from fastapi.responses import JSONResponse

from ratelog import RateLimiter
from support.apps import WITH_AND_WITHOUT, app_of, caller
from support.asgi import client_for, fetch, statuses


@WITH_AND_WITHOUT
async def test_a_key_can_have_dependencies(middleware: bool) -> None:
    limiter = RateLimiter("memory://", default="100/minute")
    app = app_of(limiter, middleware)

    @app.get("/", dependencies=[Depends(limiter("1/minute", key=caller))])
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/", "/", headers={"x-user": "ann"}) == [200, 429]
    assert await statuses(app, "/", headers={"x-user": "bob"}) == [200]
    assert await statuses(app, "/", "/", headers={"x-user": "root"}) == [200, 200]
    assert await statuses(app, "/", headers={"x-user": "banned"}) == [403]
    assert await statuses(app, "/") == [422]


@WITH_AND_WITHOUT
async def test_a_denial_by_a_dependency_key_has_the_same_response(middleware: bool) -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/by-dependency", dependencies=[Depends(limiter("1/minute", key=caller))])
    @app.get("/early", dependencies=[Depends(limiter("1/minute"))])
    def endpoint() -> int:
        return 1

    async with client_for(app, headers={"x-user": "ann"}) as client:
        answers = []
        for path in ("/by-dependency", "/early"):
            await client.get(path)
            answers.append(await client.get(path))
    for answer in answers:
        assert answer.status_code == 429
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["ratelimit-policy"] == '"1/minute";q=1;w=60'
        assert 59 <= int(answer.headers["retry-after"]) <= 60
        assert answer.json()["violated-policies"] == ["1/minute"]
    assert {name for name, _ in answers[0].headers.items()} == {name for name, _ in answers[1].headers.items()}


@WITH_AND_WITHOUT
async def test_a_dependency_key_that_is_not_text_raises(middleware: bool) -> None:
    def number(x_user: Annotated[float, Header()]) -> Any:
        return x_user

    limiter = RateLimiter("memory://")
    app = app_of(limiter, middleware)

    @app.get("/", dependencies=[Depends(limiter("1/minute", key=number))])
    def endpoint() -> int:
        return 1

    with pytest.raises(TypeError, match="a key must be a str, an int, a UUID or None, not float"):
        await fetch(app, "/", headers={"x-user": "7"})


async def test_the_applications_429_handler_is_used_for_dependency_keys() -> None:
    limiter = RateLimiter("memory://")
    app = app_of(limiter, False)
    app.add_exception_handler(
        429,
        lambda _, error: JSONResponse({"own": error.detail}, 429, headers=error.headers),
    )

    @app.get("/", dependencies=[Depends(limiter("1/minute"))])
    def endpoint() -> int:
        return 1

    await fetch(app, "/")
    response = await fetch(app, "/")
    assert response.json() == {"own": "Request cannot be satisfied as assigned quota has been exceeded"}
    assert response.headers["retry-after"]
    assert response.headers["ratelimit"]
