"""The messages of a response, with and without rate limit headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.responses import PlainTextResponse

from ratelog import RateLimiter
from support.asgi import fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

LIMIT, REMAINING, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"


def fields(response: httpx.Response) -> dict[str, list[str]]:
    """The values of the rate limit headers that occur in a response."""
    names = ("ratelimit-policy", "ratelimit", LIMIT, REMAINING, RESET, "retry-after")
    return {name: response.headers.get_list(name) for name in names if name in response.headers}


async def answers(*defaults: str, headers: str = "x-ratelimit", count: int = 1) -> list[httpx.Response]:
    """The responses of an application with several limiters; the first one is the innermost."""
    app = FastAPI()
    app.get("/")(lambda: 1)
    for default in defaults:
        RateLimiter("memory://", default=default, headers=headers).protect(app)
    return [await fetch(app, "/") for _ in range(count)]


async def test_headers_of_an_allowed_response_stay() -> None:
    limiter = RateLimiter("memory://", default="9/minute")
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    def endpoint() -> PlainTextResponse:
        return PlainTextResponse("busy", 503, {"Retry-After": "7"})

    assert (await fetch(app, "/")).headers.get_list("retry-after") == ["7"]


async def test_only_the_start_of_a_response_gets_headers() -> None:
    app = FastAPI()
    RateLimiter("memory://", default="9/minute").protect(app)

    async def parts() -> AsyncIterator[str]:
        for part in ("a", "b", "c"):
            yield part

    @app.get("/")
    def endpoint() -> StreamingResponse:
        return StreamingResponse(parts())

    response = await fetch(app, "/")
    assert (response.text, response.headers.get_list("ratelimit")) == ("abc", ['"9/minute";r=8;t=60'])


async def test_a_denial_replaces_headers_of_its_response() -> None:
    limiter = RateLimiter("memory://", default="0/minute", headers="x-ratelimit")
    app = FastAPI()
    limiter.protect(app)
    limiter.on_denied(lambda _, __: PlainTextResponse("no", headers={"X-RateLimit-Limit": "7"}))
    assert (await fetch(app, "/")).headers.get_list("x-ratelimit-limit") == ["0"]


@pytest.mark.parametrize(
    "defaults", [("5/hour", "7/minute"), ("7/minute", "5/hour"), ("5/hour", "7/minute", "6/minute")]
)
async def test_of_several_limiters_the_one_with_the_least_remaining_has_its_fields(defaults: tuple[str, ...]) -> None:
    (response,) = await answers(*defaults)
    assert fields(response) == {LIMIT: ["5"], REMAINING: ["4"], RESET: ["3600"]}


async def test_the_first_of_several_limiters_with_as_much_remaining_has_its_fields() -> None:
    (response,) = await answers("5/hour", "5/minute")
    assert fields(response) == {LIMIT: ["5"], REMAINING: ["4"], RESET: ["3600"]}


@pytest.mark.parametrize("defaults", [("1/hour", "2/minute"), ("2/minute", "1/hour")])
async def test_of_several_limiters_the_one_that_denies_has_its_fields(defaults: tuple[str, ...]) -> None:
    _, denied = await answers(*defaults, count=2)
    assert denied.status_code == 429
    assert fields(denied) == {LIMIT: ["1"], REMAINING: ["0"], RESET: ["3600"], "retry-after": ["3600"]}


async def test_lists_have_the_items_of_all_limiters_in_fields_of_both_families() -> None:
    (response,) = await answers("7/minute", "5/hour", headers="both")
    assert fields(response) == {
        "ratelimit-policy": ['"7/minute";q=7;w=60', '"5/hour";q=5;w=3600'],
        "ratelimit": ['"7/minute";r=6;t=60', '"5/hour";r=4;t=3600'],
        LIMIT: ["5"],
        REMAINING: ["4"],
        RESET: ["3600"],
    }


@pytest.mark.parametrize(
    ("status", "upstream", "expected"),
    [
        (200, {LIMIT: "60", REMAINING: "3", RESET: "9"}, {LIMIT: ["60"], REMAINING: ["3"], RESET: ["9"]}),
        (200, {LIMIT: "60", REMAINING: "30", RESET: "9"}, {LIMIT: ["9"], REMAINING: ["8"], RESET: ["60"]}),
        (200, {LIMIT: "60", REMAINING: "many", RESET: "9"}, {LIMIT: ["9"], REMAINING: ["8"], RESET: ["60"]}),
        # More digits than Python converts.
        (200, {LIMIT: "60", REMAINING: "1" * 5000, RESET: "9"}, {LIMIT: ["9"], REMAINING: ["8"], RESET: ["60"]}),
        (200, {"X-RateLimit-Limit": "60"}, {LIMIT: ["9"], REMAINING: ["8"], RESET: ["60"]}),
        # The upstream server denied the request.
        (
            429,
            {LIMIT: "60", REMAINING: "30", RESET: "9", "retry-after": "9"},
            {LIMIT: ["60"], REMAINING: ["30"], RESET: ["9"], "retry-after": ["9"]},
        ),
    ],
)
async def test_fields_of_an_upstream_server_stay_if_they_bind_more(
    status: int, upstream: dict[str, str], expected: dict[str, list[str]]
) -> None:
    app = FastAPI()
    RateLimiter("memory://", default="9/minute", headers="x-ratelimit").protect(app)
    app.get("/")(lambda: PlainTextResponse("upstream", status, upstream))
    assert fields(await fetch(app, "/")) == expected


async def test_fields_of_an_upstream_server_stay_beside_the_lists() -> None:
    app = FastAPI()
    RateLimiter("memory://", default="9/minute").protect(app)
    app.get("/")(lambda: PlainTextResponse("upstream", headers={LIMIT: "60", "RateLimit": '"day";r=3'}))
    response = fields(await fetch(app, "/"))
    assert (response[LIMIT], response["ratelimit"]) == (["60"], ['"day";r=3', '"9/minute";r=8;t=60'])
