"""Exempt paths and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import Depends, FastAPI, Header

from ratelog import ConfigError, RateLimiter
from ratelog.settings import EXEMPT
from support.asgi import statuses

if TYPE_CHECKING:
    from typing import Any


async def test_documentation_and_health_paths_are_exempt_by_default() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI()
    limiter.protect(app)
    assert 429 not in await statuses(app, *EXEMPT)
    assert await statuses(app, "/x", "/docs", "/x") == [404, 200, 429]


async def test_configured_paths_replace_the_exempt_ones() -> None:
    limiter = RateLimiter("memory://", default="1/minute", exempt=["/static/*", "/users/{id:int}/avatar"])
    app = FastAPI()
    limiter.protect(app)
    free = ["/static/", "/static/a/b", "/users/7/avatar"]
    assert await statuses(app, "/docs", *free, "/static", "/users/x/avatar", "/users/7/avatar/x") == [
        200, *[404] * 3, 429, 429, 429,
    ]  # fmt: skip


@pytest.mark.parametrize("middleware", [True, False])
@pytest.mark.parametrize("above", [True, False])
async def test_an_exempt_endpoint_has_no_limits(middleware: bool, above: bool) -> None:
    def late(x: str = Header("u")) -> str:
        return x

    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI(dependencies=[Depends(limiter("1/hour")), Depends(limiter("1/day", key=late))])
    if middleware:
        limiter.protect(app)

    def endpoint() -> int:
        return 1

    limit = limiter.limit("1/minute")
    wrapped: Any = limiter.exempt(limit(endpoint)) if above else limit(limiter.exempt(endpoint))
    app.get("/")(wrapped)
    assert await statuses(app, *["/"] * 3) == [200] * 3


@pytest.mark.parametrize("middleware", [True, False])
@pytest.mark.parametrize(
    "options", [{"exempt": ["/e"]}, {"endpoints": [{"path": "/e", "exempt": True}]}], ids=["exempt", "endpoints"]
)
async def test_an_exempt_path_is_not_limited_by_dependencies(middleware: bool, options: dict[str, Any]) -> None:
    def late(x: str = Header("u")) -> str:
        return x

    limiter = RateLimiter("memory://", **options)
    app = FastAPI()
    if middleware:
        limiter.protect(app)

    @app.get("/e", dependencies=[Depends(limiter("1/minute")), Depends(limiter("1/minute", key=late))])
    @app.get("/limited", dependencies=[Depends(limiter("1/minute"))])
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/e", "/e", "/limited", "/limited") == [200, 200, 200, 429]


@pytest.mark.parametrize("path", ["static/*", "", "/a/*/b"])
def test_an_invalid_path_is_rejected(path: str) -> None:
    with pytest.raises(ConfigError, match=r"begins with '/'|allowed at the end only"):
        RateLimiter("memory://", exempt=[path])
