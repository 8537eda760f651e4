"""Mistakes of configuration: found at the start, and never an error of every request."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.testclient import TestClient

from ratelog import ConfigError, Limits, RateLimiter
from support.apps import app_of
from support.asgi import fetch, remaining, statuses

if TYPE_CHECKING:
    from support.server import Server

GOLD = Limits.of_policy("gold")


def mistaken(url: str, **options: Any) -> tuple[RateLimiter, FastAPI]:
    """An application with three limits that the server rejects, and one that it accepts."""
    limiter = RateLimiter(url, default="9/minute", timeout=5, **options)
    app = app_of(limiter, True)
    declared: dict[str, Limits | str] = {"/high": "2000000/hour", "/policy": GOLD, "/fine": "5/minute"}
    for path, limits in declared.items():
        app.get(path)(limiter.limit(limits)(lambda: 1))
    return limiter, app


async def test_all_mistakes_are_found_at_the_start(server: Server) -> None:
    limiter, app = mistaken(server.url, endpoints=[{"path": "/x", "limits": "1/minute", "key": "tenant"}])
    with pytest.raises(ConfigError) as raised:
        await limiter.start()
    lines = str(raised.value).split("\n")
    assert lines == [
        "there is no key named 'tenant': expected ip, api_key, user, or a name registered with limiter.key",
        "the server rejects checks under 2000000/hour: limit '2000000' is not an integer from 0 to 1000000",
        "the server rejects checks under gold: no policy named 'gold'",
    ]
    with pytest.raises(ConfigError):
        async with limiter:
            pass
    with pytest.raises(ConfigError), TestClient(app):
        pass


async def test_a_mistake_does_not_fail_requests(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    limiter, app = mistaken(server.url)
    assert await statuses(app, "/high", "/policy", "/policy", "/fine") == [200] * 4
    # The other limits of the request are still those of the server.
    assert remaining(await fetch(app, "/high"))["9/minute"] == 4
    assert server.units("ratelog:{ip:192.0.2.1}:*") == 5
    assert limiter.health().problems == (
        "the server rejects checks under 2000000/hour: limit '2000000' is not an integer from 0 to 1000000",
        "the server rejects checks under gold: no policy named 'gold'",
    )
    assert limiter.health().state == "closed"
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"problem {problem}" for problem in limiter.health().problems]
    await limiter.aclose()


async def test_the_default_still_denies_beside_a_mistake(server: Server) -> None:
    limiter, app = mistaken(server.url)
    assert await statuses(app, *["/policy"] * 11) == [200] * 9 + [429] * 2
    await limiter.aclose()


async def test_a_policy_that_was_known_is_still_enforced(server: Server) -> None:
    server.db().execute_command("RL.POLICY", "SET", "gold", "2", "1m")
    limiter, app = mistaken(server.url)
    assert await statuses(app, "/policy") == [200]
    server.db().execute_command("RL.POLICY", "DEL", "gold")
    assert await statuses(app, *["/policy"] * 3) == [200, 200, 429]
    await limiter.aclose()


async def test_missing_rights_and_other_types_do_not_fail_requests(server: Server) -> None:
    db = server.db()
    db.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "+@all", "~other:*")
    db.rpush("ratelog:{ip:192.0.2.1}:*", "a list")
    url = server.url.replace("redis://", "redis://narrow:pw@")
    try:
        for which, text in ((url, "No permissions"), (server.url, "wrong kind of value")):
            limiter = RateLimiter(which, default="2/minute", timeout=5)
            app = app_of(limiter, True)
            assert await statuses(app, "/", "/", "/") == [404, 404, 429]
            assert text.lower() in limiter.health().problems[0].lower()
            await limiter.aclose()
        limiter = RateLimiter(url, default="2/minute", timeout=5)
        with pytest.raises(ConfigError, match="the server rejects writes to keys with the prefix 'ratelog'"):
            await limiter.start()
        await limiter.aclose()
    finally:
        db.execute_command("ACL", "DELUSER", "narrow")


async def test_policies_without_a_server_or_without_the_module(plain_server: Server) -> None:
    for url in ("memory://", plain_server.url):
        limiter, app = mistaken(url)
        with pytest.raises(
            ConfigError,
            match=r"gold' is known in this process; add its rules to the setting policies",
        ):
            await limiter.start()
        assert await statuses(app, "/policy", "/fine") == [200, 200]
        assert any("gold" in problem for problem in limiter.health().problems)
        await limiter.aclose()
        known, _ = mistaken(url, policies={"gold": "2/minute"})
        await known.start()
        await known.aclose()


async def test_a_limit_above_its_route_is_found_at_the_start() -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI()

    @limiter.limit("1/minute")
    @app.get("/")
    def endpoint() -> int:
        return 1

    limiter.protect(app)
    with (
        pytest.raises(ConfigError, match=r"endpoint has no effect, since it is above the route's decorator"),
        TestClient(app),
    ):
        pass


async def test_nothing_is_verified_without_the_server_or_if_disabled() -> None:
    async with RateLimiter("redis://127.0.0.1:1", default=GOLD):
        pass
    async with RateLimiter("memory://", default_policy="gold", enabled=False):
        pass


class Anyone(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> tuple[AuthCredentials, SimpleUser]:
        return AuthCredentials([]), SimpleUser("ann")


@pytest.mark.parametrize("default_key", [True, False])
async def test_authentication_after_the_limiter_is_found(default_key: bool, caplog: pytest.LogCaptureFixture) -> None:
    def app_with(*, late: bool) -> FastAPI:
        limiter = RateLimiter("memory://", default="9/minute", key="user" if default_key else "ip")
        app = FastAPI()
        app.get("/")(limiter.limit("5/minute", key="user")(lambda: 1))
        if late:
            app.add_middleware(AuthenticationMiddleware, backend=Anyone())
        limiter.protect(app)
        if not late:
            app.add_middleware(AuthenticationMiddleware, backend=Anyone())
        return app

    with TestClient(app_with(late=False)) as client:
        assert client.get("/").status_code == 200
    assert caplog.records == []
    late = app_with(late=True)
    with pytest.raises(ConfigError, match=r"^AuthenticationMiddleware runs after the limiter"), TestClient(late):
        pass
    # Without a lifespan, the log says it.
    assert await statuses(late, "/", "/") == [200, 200]
    assert [record.getMessage()[:31] for record in caplog.records] == ["key='user' finds no user, so th"]


async def test_a_default_prefix_on_a_server_is_logged_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    titled = RateLimiter(server.url)
    titled.protect(FastAPI(title="Shop"))
    for limiter in (titled, RateLimiter(server.url, prefix="shop")):
        async with limiter:
            pass
    assert caplog.records == []
    async with RateLimiter(server.url) as limiter:
        await limiter.start()
    assert [record.getMessage()[:41] for record in caplog.records] == ["the keys have the default prefix 'ratelog"]
