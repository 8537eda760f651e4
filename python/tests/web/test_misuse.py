"""Wrong uses that are refused when they are declared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import fastapi.routing
import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient

from ratelog import ConfigError, RateLimiter
from support.asgi import statuses

if TYPE_CHECKING:
    from collections.abc import Callable


def above_the_route(app: FastAPI, limiter: RateLimiter) -> None:
    @limiter.limit("1/minute")
    @app.get("/")
    def endpoint() -> int:
        return 1


def without_parentheses(app: FastAPI, limiter: RateLimiter) -> None:
    without: Any = limiter.limit

    @app.get("/")
    @without  # type: ignore[untyped-decorator]
    def endpoint() -> int:
        return 1


def dependency_without_limits(app: FastAPI, limiter: RateLimiter) -> None:
    @app.get("/", dependencies=[Depends(limiter)])
    def endpoint() -> int:
        return 1


def on_a_router(_: FastAPI, limiter: RateLimiter) -> None:
    router: Any = APIRouter()
    limiter.limit("1/minute")(router)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            above_the_route,
            "has no effect, since it is above the route's decorator: place @limiter.limit directly above",
        ),
        (without_parentheses, 'endpoint has no limits: write @limiter.limit("10/minute")'),
        (dependency_without_limits, 'Depends(limiter) has no limits: write Depends(limiter("10/minute"))'),
        (on_a_router, 'pass it as a dependency, APIRouter(dependencies=[Depends(limiter("10/minute"))])'),
    ],
)
def test_a_wrong_use_is_refused_with_the_right_way(use: Callable[[FastAPI, RateLimiter], None], message: str) -> None:
    limiter = RateLimiter("memory://")
    app = FastAPI()
    limiter.protect(app)
    with pytest.raises(ConfigError, match=re.escape(message)):
        use(app, limiter)


def decorator_as_dependency(app: FastAPI, limiter: RateLimiter) -> None:
    app.get("/", dependencies=[Depends(limiter.limit("1/minute"))])(lambda: 1)


def test_a_decorator_is_no_dependency() -> None:
    with pytest.raises(ConfigError, match=r"as a dependency write Depends\(limiter"):
        decorator_as_dependency(FastAPI(), RateLimiter("memory://"))


def included(app: FastAPI) -> Any:
    router = APIRouter()
    return router, lambda: app.include_router(router, prefix="/r")


def mounted(app: FastAPI) -> Any:
    sub = FastAPI()
    return sub, lambda: app.mount("/r", sub)


@pytest.mark.parametrize("nest", [included, mounted])
@pytest.mark.parametrize("parentheses", [True, False])
async def test_a_limit_above_a_nested_route_is_found(nest: Any, parentheses: bool) -> None:
    def build() -> tuple[Any, FastAPI]:
        limiter: Any = RateLimiter("memory://")
        app = FastAPI()
        limiter.protect(app)
        target, attach = nest(app)

        def endpoint() -> int:
            return 1

        target.get("/x")(endpoint)
        if parentheses:
            limiter.limit("1/minute")(endpoint)
        else:
            limiter.limit(endpoint)
        attach()
        return limiter, app

    message = "has no effect" if parentheses else "has no limits"
    with pytest.raises(ConfigError, match=message), TestClient(build()[1]):
        pass
    # Without a lifespan, the first request finds it.
    limiter, app = build()
    assert await statuses(app, "/r/x") == [200]
    assert message in limiter.health().problems[0]


def test_a_function_may_have_a_route_with_a_limit_and_one_without() -> None:
    limiter = RateLimiter("memory://")
    app, router = FastAPI(), APIRouter()
    limiter.protect(app)

    def endpoint() -> int:
        return 1

    router.get("/x")(limiter.limit("1/minute")(endpoint))
    app.include_router(router, prefix="/v1")
    app.get("/internal")(endpoint)
    with TestClient(app) as client:
        assert [client.get("/v1/x").status_code for _ in range(2)] == [200, 429]
        assert [client.get("/internal").status_code for _ in range(2)] == [200, 200]


def test_a_function_of_limits_is_no_wrong_use() -> None:
    limiter = RateLimiter("memory://")
    decorated = limiter.limit(lambda _: "1/minute")(test_a_function_of_limits_is_no_wrong_use)
    assert decorated is not test_a_function_of_limits_is_no_wrong_use


class Views:
    def view(self) -> int:
        return 1


async def test_a_router_can_be_exempt_where_another_includes_the_same_routes() -> None:
    if not hasattr(fastapi.routing, "iter_route_contexts"):
        pytest.skip("FastAPI before 0.13x copies the routes, so that the two cannot be distinguished")
    limiter = RateLimiter("memory://", default="1/minute")
    app, items = FastAPI(), APIRouter()
    limiter.protect(app)
    items.get("/items")(lambda: 1)
    versions = [APIRouter(prefix=prefix) for prefix in ("/v1", "/v2")]
    for version in versions:
        version.include_router(items)
        app.include_router(version)
    limiter.exempt(versions[0])
    assert await statuses(app, *["/v1/items"] * 2, *["/v2/items"] * 2) == [200, 200, 200, 429]


async def test_the_endpoints_of_a_mounted_application_behind_a_middleware_can_be_exempt() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app, sub, inner = FastAPI(), FastAPI(), FastAPI()
    limiter.protect(app)
    inner.get("/x")(lambda: 1)
    sub.mount("/inner", CORSMiddleware(inner))
    app.mount("/sub", sub)
    limiter.exempt(sub)
    assert await statuses(app, "/sub/inner/x", "/sub/inner/x") == [200, 200]


async def test_a_router_can_be_exempt() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app, router, inner = FastAPI(), APIRouter(prefix="/free"), APIRouter(prefix="/inner")
    limiter.protect(app)
    router.get("/before")(lambda: 1)

    def shared() -> int:
        return 1

    router.get("/shared")(shared)
    earlier = APIRouter(prefix="/earlier")
    earlier.get("/deep", dependencies=[Depends(limiter("1/minute"))])(Views().view)
    router.include_router(earlier)
    limiter.exempt(router)
    router.get("/after")(lambda: 1)
    inner.get("/deep", dependencies=[Depends(limiter("1/minute"))])(lambda: 1)
    router.include_router(inner)
    app.include_router(router)
    app.get("/limited")(lambda: 1)
    app.get("/shared")(shared)
    other = APIRouter(prefix="/v1")
    other.get("/shared")(shared)
    app.include_router(other)
    if hasattr(fastapi.routing, "iter_route_contexts"):
        # FastAPI before 0.13x copies the routes, so that the two cannot be distinguished.
        assert await statuses(app, "/v1/shared", "/v1/shared", ip="192.0.2.3") == [200, 429]
    assert await statuses(app, "/shared", "/shared", ip="192.0.2.2") == [200, 429]
    for path in ("/free/shared", "/free/before", "/free/after", "/free/inner/deep", "/free/earlier/deep"):
        assert await statuses(app, path, path) == [200, 200], path
    assert await statuses(app, "/limited", "/limited") == [200, 429]
