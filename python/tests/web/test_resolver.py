"""Hostile requests."""

from __future__ import annotations

import gc
import sys
from typing import Any

from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelog import RateLimiter
from ratelog.web import resolver
from ratelog.web.keys import key_safe
from support.asgi import client_for

ANY_BYTES = st.binary(max_size=40)
ANY_PATH = st.one_of(st.text(max_size=40), st.text("/.%{}*#?\n\r\0 a", max_size=20)).map(lambda path: f"/{path}")
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"x-forwarded-for", b"forwarded", b"x-api-key", b"host", b"authorization", b"x-other"]),
        ANY_BYTES,
    ),
    max_size=5,
)
CLIENTS = st.one_of(st.none(), st.tuples(st.text(max_size=20), st.integers(0, 70_000)), st.just(("192.0.2.1", 1)))


def app_of(**options: Any) -> FastAPI:
    limiter = RateLimiter(
        "memory://",
        default="1000000/minute",
        trusted_proxies=["192.0.2.0/24"],
        endpoints=[{"path": "/items/*", "limits": "1000000/minute"}],
        **options,
    )
    app = FastAPI()
    limiter.protect(app)

    @app.get("/items/{id}")
    @limiter.limit("1000000/minute", key="api_key")
    def item(id: str) -> str:  # noqa: A002
        return "item"

    return app


APP = app_of()


async def status_of(app: Any, scope: dict[str, Any]) -> int:
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    (status,) = statuses
    return status


@given(path=ANY_PATH, headers=HEADERS, client=CLIENTS, method=st.sampled_from(["GET", "HEAD", "gEt", "", "X" * 50]))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
async def test_any_request_gets_a_response(
    path: str, headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None, method: str
) -> None:
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": client, "query_string": b""}
    assert await status_of(APP, scope) in (200, 307, 404, 405)


@given(key=st.text(max_size=200, alphabet=st.characters(codec=None, exclude_categories=())))
@settings(deadline=None)
def test_keys_are_ascii_and_bounded(key: str) -> None:
    escaped = key_safe(key)
    assert 0 < len(escaped) <= 128
    assert escaped.isascii()
    assert not set(escaped) & set("{} \n\r\0")


@given(one=st.text(max_size=40), other=st.text(max_size=40))
def test_different_keys_never_collide(one: str, other: str) -> None:
    assert (key_safe(one) == key_safe(other)) == (one == other)


@given(header=ANY_BYTES)
@settings(max_examples=100, deadline=None)
async def test_headers_of_an_untrusted_peer_never_evade_the_limit(header: bytes) -> None:
    scope = {"type": "http", "method": "GET", "path": "/x", "client": ("198.51.100.1", 1), "query_string": b""}
    limiter = RateLimiter("memory://", default="1/minute", trusted_proxies=["192.0.2.0/24"])
    app = FastAPI()
    limiter.protect(app)
    assert await status_of(app, {**scope, "headers": []}) == 404
    assert await status_of(app, {**scope, "headers": [(b"x-forwarded-for", header), (b"forwarded", header)]}) == 429


async def test_ten_thousand_paths_use_bounded_memory() -> None:
    app = app_of()
    async with client_for(app) as client:
        for number in range(10_000):
            await client.get(f"/{'long' * (number % 100)}/{number}")
    limiter: Any = app.user_middleware[0].kwargs["limiter"]
    (known,) = limiter._web.enforcer._resolvers.values()
    assert len(known._cache) <= resolver.MAX_CACHED
    assert all(sum(map(len, place)) <= resolver.MAX_CACHED_LENGTH for place in known._cache)
    gc.collect()
    assert sum(sys.getsizeof(place[1]) for place in known._cache) < 2_000_000
    assert limiter.health().local_keys == 1
