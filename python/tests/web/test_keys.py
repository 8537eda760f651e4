"""The keys of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware

from ratelog import RateLimiter, hashed
from ratelog.web.keys import key_safe
from support.asgi import fetch, recording_limiter, statuses

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request


def app_of(limiter: RateLimiter, **options: Any) -> FastAPI:
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @limiter.limit("2/minute", **options)
    def endpoint() -> int:
        return 1

    return app


class ByHeader(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("x-name")
        return None if name is None else (AuthCredentials(["authenticated"]), SimpleUser(name))


class Nameless(SimpleUser):
    @property
    def identity(self) -> str:
        raise NotImplementedError


class Identified(SimpleUser):
    @property
    def identity(self) -> str:
        return f"id-{self.username}"


async def test_clients_are_counted_by_address() -> None:
    limiter, keys = recording_limiter()
    app = app_of(limiter)
    assert await statuses(app, "/", "/", "/") == [200, 200, 429]
    assert await statuses(app, "/", ip="192.0.2.2") == [200]
    assert keys[-2:] == ["ratelog:{ip:192.0.2.1}:GET /", "ratelog:{ip:192.0.2.2}:GET /"]


@pytest.mark.parametrize(
    ("ip", "key"),
    [("2001:db8:0:1::7", "ip:2001:db8:0:1::/64"), ("testclient", "ip:testclient"), ("fe80::1%eth0", None)],
)
async def test_other_kinds_of_addresses_have_a_key(ip: str, key: str | None) -> None:
    limiter, keys = recording_limiter()
    assert (await fetch(app_of(limiter), "/", ip=ip)).status_code == 200
    if key is not None:
        assert keys == [f"ratelog:{{{key}}}:GET /"]


async def test_a_spoofed_header_does_not_evade_the_limit() -> None:
    limiter, _ = recording_limiter(trusted_proxies=["203.0.113.0/24"])
    app = app_of(limiter)
    for turn in range(2):
        assert await statuses(app, "/", headers={"x-forwarded-for": f"198.51.100.{turn}"}) == [200]
    assert await statuses(app, "/", headers={"x-forwarded-for": "198.51.100.9"}) == [429]
    proxied = {"headers": {"x-forwarded-for": "1.2.3.4, 192.0.2.1"}, "ip": "203.0.113.9"}
    assert await statuses(app, "/", **proxied) == [429]


async def test_a_peer_without_address_is_counted() -> None:
    limiter, keys = recording_limiter()
    app = app_of(limiter)

    async def without(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": None}, receive, send)

    assert await statuses(without, "/", "/", "/") == [200, 200, 429]
    assert keys[0] == "ratelog:{ip:unknown}:GET /"


@pytest.mark.parametrize(
    ("server", "key"),
    [
        (("/run/app.sock", None), "ip:198.51.100.7"),
        (None, "ip:198.51.100.7"),
        # The client has closed its connection already, so the server does not know its address.
        (("192.0.2.80", 8000), "ip:unknown"),
    ],
)
async def test_only_the_peer_of_a_unix_socket_is_trusted_as_one(server: Any, key: str) -> None:
    limiter, keys = recording_limiter(trusted_proxies=["unix"])
    app = app_of(limiter)

    async def without(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": None, "server": server}, receive, send)

    await fetch(without, "/", headers={"x-forwarded-for": "198.51.100.7"})
    assert keys == [f"ratelog:{{{key}}}:GET /"]


async def test_api_keys_are_hashed_and_fall_back_to_the_address() -> None:
    limiter, keys = recording_limiter(api_key_header="X-Token")
    app = app_of(limiter, key="api_key")
    await statuses(app, "/", headers={"x-token": "s3cr3t"})
    await statuses(app, "/", headers={"x-token": ""})
    assert keys == [f"ratelog:{{key:{hashed('s3cr3t')}}}:GET /", "ratelog:{ip:192.0.2.1}:GET /"]


async def test_users_are_counted_behind_an_authentication_middleware() -> None:
    limiter, keys = recording_limiter()
    app = app_of(limiter, key="user")
    app.add_middleware(AuthenticationMiddleware, backend=ByHeader())
    await statuses(app, "/", headers={"x-name": "ann b"})
    await statuses(app, "/")
    assert keys == ["ratelog:{user:ann%20b}:GET /", "ratelog:{ip:192.0.2.1}:GET /"]


async def test_a_users_identity_is_the_key() -> None:
    class Backend(ByHeader):
        async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
            return AuthCredentials(), Identified("ann")

    limiter, keys = recording_limiter(key="user")
    app = app_of(limiter)
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    await fetch(app, "/")
    assert keys == ["ratelog:{user:id-ann}:GET /"]


async def test_a_user_without_identity_is_counted_by_name() -> None:
    class Backend(ByHeader):
        async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
            return AuthCredentials(), Nameless("ann")

    limiter, keys = recording_limiter(key="user")
    app = app_of(limiter)
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    await fetch(app, "/")
    assert keys == ["ratelog:{user:ann}:GET /"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_returns_the_key_or_exempts_the_request(asynchronous: bool) -> None:
    def of(request: Request) -> str | None:
        return None if request.headers.get("x-free") else f"{request.method}:{request.url.path}"

    async def of_later(request: Request) -> str | None:
        return of(request)

    limiter, keys = recording_limiter()
    app = app_of(limiter, key=of_later if asynchronous else of)
    assert await statuses(app, "/", "/", "/") == [200, 200, 429]
    assert await statuses(app, "/", "/", headers={"x-free": "1"}) == [200, 200]
    assert keys == ["ratelog:{GET:/}:GET /"] * 3


@pytest.mark.parametrize("key", [7, UUID(int=7)])
async def test_a_key_may_be_an_integer_or_a_uuid(key: Any) -> None:
    limiter, keys = recording_limiter()
    await fetch(app_of(limiter, key=lambda _: key), "/")
    assert keys == [f"ratelog:{{{key}}}:GET /"]


async def test_a_key_that_is_not_text_raises() -> None:
    with pytest.raises(TypeError, match="a key must be a str, an int, a UUID or None, not list"):
        await fetch(app_of(RateLimiter("memory://"), key=lambda _: ["x"]), "/")


async def test_a_key_that_raises_does_not_evade_the_limit() -> None:
    def key(_: HTTPConnection) -> str:
        raise KeyError("x-tenant")

    with pytest.raises(KeyError):
        await fetch(app_of(RateLimiter("memory://"), key=key), "/")


@pytest.mark.parametrize(
    ("key", "escaped"),
    [
        ("", f"hash:{hashed('')}"),
        ("x" * 128, "x" * 128),
        ("x" * 129, f"hash:{hashed('x' * 129)}"),
        ("a{b}c", "a%7Bb%7Dc"),
        ("ü" * 30, f"hash:{hashed('ü' * 30)}"),
        ("\n", "%0A"),
        ("%20", "%2520"),
        ("\udcff", "%ED%B3%BF"),
    ],
)
async def test_keys_are_escaped(key: str, escaped: str) -> None:
    limiter, keys = recording_limiter()
    await fetch(app_of(limiter, key=lambda _: key), "/")
    assert keys == [f"ratelog:{{{escaped}}}:GET /"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_returns_the_cost(asynchronous: bool) -> None:
    def cost(connection: HTTPConnection) -> int:
        return int(connection.headers["x-cost"])

    async def cost_later(connection: HTTPConnection) -> int:
        return cost(connection)

    app = app_of(RateLimiter("memory://"), cost=cost_later if asynchronous else cost)
    assert await statuses(app, "/", "/", headers={"x-cost": "2"}) == [200, 429]


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
