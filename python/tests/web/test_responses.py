"""Responses to allowed and denied requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, StreamingResponse

from ratelog import Denial, LocalLimiter, RateLimiter
from ratelog._core import ManualClock
from support.asgi import client_for, fetch
from support.server import free_port

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request

START_MS = 1_700_000_000_000
FIELDS = {"ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


def app_of(limiter: RateLimiter, *limits: str, cost: int = 1) -> FastAPI:
    app = FastAPI()
    limiter.protect(app)

    @app.api_route("/", methods=["GET", "HEAD"])
    @limiter.limit(*(limits or ("1/minute",)), cost=cost)
    def endpoint() -> int:
        return 1

    return app


DRAFT = {"ratelimit-policy": '"1/minute";q=1;w=60', "ratelimit": '"1/minute";r=0;t=60'}
X = {"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "60"}


@pytest.mark.parametrize(
    ("family", "expected"), [("draft-11", DRAFT), ("x-ratelimit", X), ("both", {**DRAFT, **X}), ("none", {})]
)
async def test_allowed_and_denied_responses_have_the_headers_of_the_family(
    family: str, expected: dict[str, str]
) -> None:
    app = app_of(RateLimiter("memory://", headers=family))
    for status in (200, 429):
        response = await fetch(app, "/")
        assert response.status_code == status
        assert {name: value for name, value in response.headers.items() if name in FIELDS} == expected
        assert response.headers.get("retry-after") == (None if status == 200 else "60")


async def test_a_problem_names_the_violated_policies_only() -> None:
    app = app_of(RateLimiter("memory://", default="5/hour"))
    await fetch(app, "/")
    response = await fetch(app, "/")
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert 59_000 < problem.pop("retry_after_ms") <= 60_000
    assert problem == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": ["1/minute"],
    }


async def test_a_problem_names_a_limit_as_the_headers_do() -> None:
    app = app_of(RateLimiter("memory://", default="2/minute"), "2/minute", cost=2)
    await fetch(app, "/")
    response = await fetch(app, "/")
    assert response.status_code == 429
    assert response.headers["ratelimit"].startswith('"2/minute";r=1;t=')
    assert '"2:2/minute";r=0;t=' in response.headers["ratelimit"]
    assert response.json()["violated-policies"] == ["2:2/minute"]


async def test_a_fallback_that_denies_names_no_policy() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with RateLimiter(url, default="5/hour", fallback="deny", headers="both") as limiter:
        response = await fetch(app_of(limiter), "/")
    assert response.status_code == 429
    assert "retry-after" in response.headers
    assert FIELDS.isdisjoint(response.headers)
    problem = response.json()
    assert problem["violated-policies"] == []
    assert problem["retry_after_ms"] > 0


async def test_a_denied_request_uses_no_quota_of_other_limits() -> None:
    app = app_of(RateLimiter("memory://", default="5/hour"))
    value = [(await fetch(app, "/")).headers["ratelimit"].split(";t=")[0] for _ in range(3)]
    assert value == ['"5/hour";r=4'] * 3


async def test_a_request_is_allowed_after_retry_after() -> None:
    limiter = RateLimiter("memory://", default="1/900ms")
    clock, now_ms = ManualClock(START_MS), 0
    engine = limiter._engine
    engine.local = engine.fallback.local = LocalLimiter(clock=clock)
    app = app_of(limiter, "2/1100ms")
    async with client_for(app) as client:
        for _ in range(2):
            while (denied := await client.get("/")).status_code == 200:
                pass
            wait = int(denied.headers["retry-after"])
            assert denied.json()["retry_after_ms"] <= wait * 1000
            now_ms += wait * 1000
            clock.set(now_ms)
            assert (await client.get("/")).status_code == 200


async def test_a_cost_over_the_limit_is_denied_without_retry_after() -> None:
    denials: list[int | None] = []
    limiter = RateLimiter("memory://")
    app = app_of(limiter, "2/minute", cost=3)
    response = await fetch(app, "/")
    assert response.status_code == 429
    assert "retry-after" not in response.headers
    assert response.json()["retry_after_ms"] is None

    @limiter.on_denied
    def handler(_: HTTPConnection, denial: Denial) -> PlainTextResponse:
        denials.append(denial.retry_after_ms)
        return PlainTextResponse("never")

    await fetch(app, "/")
    assert denials == [None]


async def test_a_limit_of_zero_denies_every_request_without_retry_after() -> None:
    app = app_of(RateLimiter("memory://", default="5/week"), "0/minute")
    for _ in range(2):
        response = await fetch(app, "/")
        assert response.status_code == 429
        assert response.headers["ratelimit-policy"] == '"5/week";q=5;w=604800, "0/minute";q=0;w=60'
        assert response.headers["ratelimit"] == '"5/week";r=5;t=1, "0/minute";r=0;t=60'
        assert "retry-after" not in response.headers
        assert response.json()["retry_after_ms"] is None


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("middleware", [False, True])
async def test_a_denial_handler_sets_the_body_only(asynchronous: bool, middleware: bool) -> None:
    def handler(request: Request, denial: Denial) -> PlainTextResponse:
        wait = denial.retry_after_ms
        assert wait is not None
        assert denial.decisions[0].limit == 1
        return PlainTextResponse(f"{request.method} {wait > 0}", 200, {"Retry-After": "7", "X-Own": "1"})

    async def handler_later(request: Request, denial: Denial) -> PlainTextResponse:
        return handler(request, denial)

    limiter = RateLimiter("memory://")
    limiter.on_denied(handler_later if asynchronous else handler)  # type: ignore[arg-type]
    app = FastAPI()
    if middleware:
        limiter.protect(app)

    @app.get("/")
    @limiter.limit("1/minute")
    def endpoint() -> int:
        return 1

    await fetch(app, "/")
    response = await fetch(app, "/")
    assert (response.status_code, response.text, response.headers["x-own"]) == (429, "GET True", "1")
    assert response.headers.get_list("retry-after") == ["60"]
    assert response.headers["ratelimit"] == DRAFT["ratelimit"]


async def test_a_denial_handler_can_stream() -> None:
    limiter = RateLimiter("memory://")
    limiter.on_denied(lambda _, __: StreamingResponse(iter([b"a", b"b"])))
    app = app_of(limiter)
    await fetch(app, "/")
    assert (await fetch(app, "/")).text == "ab"


async def test_a_denial_handler_without_a_response_raises() -> None:
    limiter = RateLimiter("memory://")
    limiter.on_denied(lambda _, __: {"error": "slow down"})
    app = app_of(limiter)
    await fetch(app, "/")
    with pytest.raises(TypeError, match="the denial handler must return a Response, not dict"):
        await fetch(app, "/")


async def test_a_denial_handler_that_raises_does_not_evade_the_limit() -> None:
    def handler(_: Any, __: Any) -> Any:
        raise OSError("of the handler")

    limiter = RateLimiter("memory://")
    limiter.on_denied(handler)
    app = app_of(limiter)
    await fetch(app, "/")
    with pytest.raises(OSError, match="of the handler"):
        await fetch(app, "/")


async def test_head_is_counted_with_get_and_has_its_headers() -> None:
    app = app_of(RateLimiter("memory://"))
    assert (await fetch(app, "/")).status_code == 200
    response = await fetch(app, "/", "HEAD")
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")


async def test_a_denied_request_body_is_not_read() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI()
    limiter.protect(app)
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [],
        "client": ("192.0.2.1", 1),
        "query_string": b"",
    }
    await fetch(app, "/x")
    await app(dict(scope), receive, send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["status"]) == (429, 429)
