"""Limits of endpoints in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse

from ratelog import ConfigError, RateLimiter
from support.asgi import client_for, fetch, remaining, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request


class Anything(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("got")


def app_of(limiter: RateLimiter) -> FastAPI:
    app = FastAPI()
    limiter.protect(app)

    @app.api_route("/users/{name}", methods=["GET", "POST"])
    def user(name: str) -> str:
        return name

    app.router.add_route("/login", Anything)  # type: ignore[arg-type]
    app.router.add_route("/plain", lambda request: PlainTextResponse("plain"), methods=["GET"])
    return app


def limited(*endpoints: dict[str, Any], **options: Any) -> FastAPI:
    return app_of(RateLimiter("memory://", endpoints=endpoints, **options))


async def test_paths_of_a_pattern_are_counted_together_in_addition_to_the_default() -> None:
    app = limited({"path": "/users/{name}", "limits": ["2/minute", "9/hour"]}, default="5/minute")
    value = await fetch(app, "/users/ann")
    assert value.headers["ratelimit-policy"] == '"5/minute";q=5;w=60, "2/minute";q=2;w=60, "9/hour";q=9;w=3600'
    assert remaining(value) == {"5/minute": 4, "2/minute": 1}
    assert await statuses(app, "/users/bob", "/users/cyd", "/plain") == [200, 429, 200]


async def test_the_first_matching_pattern_applies() -> None:
    app = limited({"path": "/users/ann", "limits": "1/minute"}, {"path": "/users/*", "limits": "2/minute"})
    assert await statuses(app, "/users/ann", "/users/ann", "/users/bob", "/users/cyd", "/users/dan") == [
        200, 429, 200, 200, 429,
    ]  # fmt: skip


async def test_methods_are_distinguished() -> None:
    app = limited({"path": "/users/{name}", "methods": ["post"], "limits": "1/minute"})
    async with client_for(app) as client:
        assert [(await client.post("/users/ann")).status_code for _ in range(2)] == [200, 429]
        assert (await client.get("/users/ann")).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "gEt"])
async def test_head_does_not_evade_a_limit_of_get(method: str) -> None:
    app = limited({"path": "/login", "methods": ["GET"], "limits": "1/minute"})
    assert await statuses(app, "/login") == [200]
    async with client_for(app) as client:
        assert (await client.request(method, "/login")).status_code == 429


@pytest.mark.parametrize("path", ["/login%0A", "/users/a%0Ab", "/users/a%0A"])
async def test_a_line_feed_does_not_evade_a_limit(path: str) -> None:
    app = limited({"path": "/login", "limits": "1/minute"}, {"path": "/users/*", "limits": "1/minute"})
    assert await statuses(app, path, path) == [200, 429]


async def test_scopes_are_shared_and_defaults_can_be_overridden() -> None:
    app = limited(
        {"path": "/users/*", "limits": "2/minute", "scope": "both", "override_defaults": True},
        {"path": "/plain", "limits": "2/minute", "scope": "both"},
        default="1/hour",
    )
    assert await statuses(app, "/users/a", "/plain", "/users/b") == [200, 200, 429]
    assert remaining(await fetch(app, "/users/b")) == {"2/minute": 0}


async def test_costs_keys_and_plans_are_configured() -> None:
    limiter = RateLimiter(
        "memory://",
        endpoints=[
            {"path": "/users/*", "limits": {"free": "4/minute", "pro": "6/minute"}, "cost": 2, "key": "api_key"},
        ],
    )
    limiter.plan(lambda connection: connection.headers.get("x-plan"))
    app = app_of(limiter)
    headers = {"x-api-key": "k", "x-plan": "pro"}
    assert await statuses(app, *["/users/a"] * 4, headers=headers) == [200, 200, 200, 429]
    assert await statuses(app, *["/users/a"] * 3) == [200, 200, 429]


async def test_limits_of_the_endpoint_and_of_the_settings_are_counted_separately() -> None:
    limiter = RateLimiter("memory://", endpoints=[{"path": "/own", "methods": ["GET"], "limits": "9/minute"}])
    app = app_of(limiter)

    @app.get("/own")
    @limiter.limit("8/minute", override_defaults=True)
    def own() -> int:
        return 1

    assert remaining(await fetch(app, "/own")) == {"8/minute": 7, "9/minute": 8}


async def test_a_policy_of_the_server_limits_an_endpoint(server: Any) -> None:
    server.db().execute_command("RL.POLICY", "SET", "logins", 1, 60)
    limiter = RateLimiter(server.url, timeout=30, endpoints=[{"path": "/login", "policy": "logins"}])
    app = app_of(limiter)
    assert await statuses(app, "/login", "/login") == [200, 429]
    await limiter.aclose()


async def test_a_reload_applies_to_requests(tmp_path: Path) -> None:
    file = tmp_path / "ratelog.toml"
    file.write_text('[[endpoints]]\npath = "/plain"\nlimits = "9/minute"\n')
    limiter = RateLimiter("memory://", config=file)
    app = app_of(limiter)
    assert remaining(await fetch(app, "/plain")) == {"9/minute": 8}
    file.write_text('default = "7/minute"\nexempt = ["/login"]\n[[endpoints]]\npath = "/plain"\nlimits = "2/minute"\n')
    limiter.reload()
    assert remaining(await fetch(app, "/plain")) == {"7/minute": 6, "2/minute": 0}
    assert (await fetch(app, "/login")).headers.get("ratelimit") is None


async def test_an_invalid_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ratelog.toml"
    file.write_text('default = "9/minute"\n')
    limiter = RateLimiter("memory://", config=file)
    before = limiter.settings
    for wrong in (
        'default = "7/minute"\n[[endpoints]]\npath = "/a/{"\nlimits = "1/minute"\n',
        'exempt = ["/{x:no}"]\n',
    ):
        file.write_text(wrong)
        with pytest.raises(ConfigError, match="invalid path"):
            limiter.reload()
        assert limiter.settings is before
    assert remaining(await fetch(app_of(limiter), "/plain")) == {"9/minute": 8}
