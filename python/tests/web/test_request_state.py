"""The decisions of one request."""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ratelog import RateLimiter
from support.asgi import fetch, statuses
from support.wait import until

if TYPE_CHECKING:
    import pytest

    from support.server import Server


async def test_several_limits_are_one_list() -> None:
    limiter = RateLimiter("memory://", default="5/hour")
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @limiter.limit("3/minute", "9/day")
    def endpoint() -> int:
        return 1

    response = await fetch(app, "/")
    assert response.headers.get_list("ratelimit-policy") == [
        '"5/hour";q=5;w=3600, "3/minute";q=3;w=60, "9/day";q=9;w=86400'
    ]
    assert response.headers.get_list("ratelimit") == ['"5/hour";r=4;t=3600, "3/minute";r=2;t=60']


async def test_a_limit_has_the_same_name_if_the_deny_cache_answers(server: Server) -> None:
    app = FastAPI()
    async with RateLimiter(server.url, default="9/hour", deny_cache=100) as limiter:
        limiter.protect(app)

        @app.get("/")
        @limiter.limit("9/hour", cost=9)
        def endpoint() -> int:
            return 1

        assert (await fetch(app, "/")).status_code == 200

        async def is_cached() -> bool:
            denied = await fetch(app, "/")
            assert denied.status_code == 429
            assert denied.headers["ratelimit-policy"] == '"9/hour";q=9;w=3600, "2:9/hour";q=9;w=3600'
            assert denied.json()["violated-policies"] == ["2:9/hour"]
            return denied.headers["ratelimit"].startswith('"2:9/hour";r=0;t=')

        await until("a cached denial answers", is_cached)


async def test_a_reset_in_unix_time_is_that_of_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratelog.web.request_state.time", lambda: 1_800_000_000.5)
    app = FastAPI()
    RateLimiter("memory://", default="1/minute", headers="x-ratelimit-epoch").protect(app)
    allowed, denied = await fetch(app, "/"), await fetch(app, "/")
    assert allowed.headers["x-ratelimit-reset"] == "1800000061"
    wait_ms = denied.json()["retry_after_ms"]
    assert int(denied.headers["x-ratelimit-reset"]) == ceil((1_800_000_000_500 + wait_ms) / 1_000)


async def test_a_denial_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    app = FastAPI()
    RateLimiter("memory://", default="1/minute").protect(app)
    assert await statuses(app, "/a", "/a") == [404, 429]
    (record,) = [record for record in caplog.records if record.name == "ratelog"]
    assert "denied key='ratelog:{ip:192.0.2.1}:*'" in record.getMessage()
    assert record.__dict__["ratelog"]["event"] == "denied"
