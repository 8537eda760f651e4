"""Limits without functions: the keys, the rules and the costs of their checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from ratelog import Check, CheckCompleted, RateLimiter
from ratelog.web.keys import hashed
from support.asgi import CLIENT, fetch, recording_limiter

if TYPE_CHECKING:
    import pytest

HEADERS = {"X-API-Key": "s3cr3t"}
ADDRESS = f"{{ip:{CLIENT}}}"
API_KEY = f"{{key:{hashed('s3cr3t')}}}"


async def test_each_limit_has_its_key_its_rules_and_its_cost() -> None:
    checks: list[Check] = []

    def hook(event: object) -> None:
        if isinstance(event, CheckCompleted):
            checks.extend(event.checks)

    limiter = RateLimiter("memory://", hooks=[hook], default="9/minute")
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @limiter.limit("8/minute", cost=2)
    @limiter.limit("7/minute", key="api_key", cost=3)
    @limiter.limit("6/minute", key="api_key")
    @limiter.limit("5/minute", key="ip")
    def endpoint() -> int:
        return 1

    assert (await fetch(app, "/", headers=HEADERS)).status_code == 200
    found = {str(check.limits): (check.key.decode().rpartition(":")[0], check.cost) for check in checks}
    assert found == {
        "9/minute": (f"ratelog:{ADDRESS}", 1),
        "8/minute": (f"ratelog:{ADDRESS}", 2),
        "7/minute": (f"ratelog:{API_KEY}", 3),
        "6/minute": (f"ratelog:{API_KEY}", 1),
        "5/minute": (f"ratelog:{ADDRESS}", 1),
    }
    assert len({check.key for check in checks}) == 5


async def test_a_new_prefix_and_a_new_key_apply_to_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter, keys = recording_limiter(default="9/minute")
    app = FastAPI()
    limiter.protect(app)
    await fetch(app, "/", headers=HEADERS)
    limiter.protect(FastAPI(title="Shop"))
    await fetch(app, "/", headers=HEADERS)
    monkeypatch.setenv("RATELOG_KEY", "api_key")
    limiter.reload()
    await fetch(app, "/", headers=HEADERS)
    assert keys == [f"ratelog:{ADDRESS}:*", f"ratelog:shop:{ADDRESS}:*", f"ratelog:shop:{API_KEY}:*"]
