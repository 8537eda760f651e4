"""The health router."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from ratelog import RateLimiter, SyncRateLimiter
from ratelog.web.health import health_router
from support.asgi import fetch, statuses
from support.server import free_port


def app_of(limiter: RateLimiter, path: str | None = None) -> FastAPI:
    app = FastAPI()
    limiter.protect(app)
    app.include_router(health_router(limiter) if path is None else health_router(limiter, path))
    return app


async def test_the_health_path_is_exempt_and_undocumented() -> None:
    app = app_of(RateLimiter("memory://", default="1/minute"))
    assert await statuses(app, *["/health/rate-limiter"] * 3) == [200] * 3
    health = (await fetch(app, "/health/rate-limiter")).json()
    assert (health["state"], health["backend"], health["fallback"]) == ("closed", "local", "local")
    assert "/health/rate-limiter" not in app.openapi()["paths"]
    assert await statuses(app_of(RateLimiter("memory://"), "/own"), "/own") == [200]


@pytest.mark.parametrize(("fallback", "status"), [("local", 200), ("allow", 200), ("deny", 503)])
async def test_the_status_is_503_only_while_all_requests_are_denied(fallback: str, status: int) -> None:
    limiter = RateLimiter(f"redis://127.0.0.1:{free_port()}/0", default="9/minute", fallback=fallback)
    app = app_of(limiter)
    assert (await fetch(app, "/x")).status_code == (404 if status == 200 else 429)
    response = await fetch(app, "/health/rate-limiter")
    assert (response.status_code, response.json()["state"]) == (status, response.json()["state"])
    assert response.json()["state"] != "closed"
    await limiter.aclose()


async def test_the_router_reports_a_synchronous_limiter() -> None:
    app = FastAPI()
    app.include_router(health_router(SyncRateLimiter("memory://")))
    response = await fetch(app, "/health/rate-limiter")
    assert (response.status_code, response.json()["state"]) == (200, "closed")
