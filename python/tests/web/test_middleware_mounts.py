"""The middleware with several limiters, mounted applications and root paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from ratelog import RateLimiter, RateLimitMiddleware
from support.apps import protected
from support.asgi import fetch, remaining, statuses

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


async def test_two_middlewares_of_one_limiter_count_once() -> None:
    limiter = RateLimiter("memory://", default="10/minute")
    app = protected(limiter)
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
    response = await fetch(app, "/a")
    assert remaining(response) == {"10/minute": 9}
    assert len(response.headers.get_list("ratelimit")) == 1


async def test_two_limiters_each_count_and_add_headers() -> None:
    app = protected(RateLimiter("memory://", default="10/minute"))
    app.add_middleware(RateLimitMiddleware, limiter=RateLimiter("memory://", default="5/hour"))
    assert remaining(await fetch(app, "/a")) == {"10/minute": 9, "5/hour": 4}


async def test_a_mounted_application_with_the_same_limiter_counts_once() -> None:
    limiter = RateLimiter("memory://", default="10/minute")
    app, sub = FastAPI(), FastAPI()
    limiter.protect(app)
    limiter.protect(sub)

    @sub.get("/s")
    @limiter.limit("2/minute")
    def s() -> int:
        return 1

    app.mount("/sub", sub)
    response = await fetch(app, "/sub/s")
    assert remaining(response) == {"10/minute": 9, "2/minute": 1}
    assert len(response.headers.get_list("ratelimit")) == 1


async def test_a_mounted_application_with_another_limiter_is_limited_by_both() -> None:
    outer, inner = RateLimiter("memory://", default="10/minute"), RateLimiter("memory://", default="1/hour")
    app = FastAPI()
    outer.protect(app)
    app.mount("/sub", protected(inner))
    assert await statuses(app, "/sub/a", "/sub/a") == [200, 429]
    assert remaining(await fetch(app, "/nope")) == {"10/minute": 7}


async def test_a_path_that_the_outer_application_exempts_is_exempt_in_a_mounted_one() -> None:
    limiter = RateLimiter("memory://", default="1/minute", exempt=["/sub/a"])
    app = FastAPI()
    limiter.protect(app)
    app.mount("/sub", protected(limiter))
    assert await statuses(app, "/sub/a", "/sub/a") == [200, 200]


async def test_a_proxys_root_path_is_not_part_of_the_path() -> None:
    app = protected(RateLimiter("memory://", default="1/minute", exempt=["/a"]))
    assert await statuses(app, "/api/a", "/api/a", "/api/b", "/api/b", root_path="/api") == [200, 200, 200, 429]


async def test_a_root_path_matches_whole_segments_only() -> None:
    app = protected(RateLimiter("memory://", default="1/minute", exempt=["/a"]))
    assert await statuses(app, "/api/x/a", "/apix/a", root_path="/api/x") == [200, 404]
    assert await statuses(app, "/apix/a", root_path="/api") == [429]


async def test_functions_find_the_parameters_of_the_mount_without_an_endpoint() -> None:
    limiter = RateLimiter("memory://", default="1/minute", key="tenant")
    app = FastAPI()
    app.mount("/{tenant}", protected(limiter))

    @limiter.key("tenant")
    def tenant(connection: HTTPConnection) -> str:
        name: str = connection.path_params["tenant"]
        return name

    assert await statuses(app, "/acme/nope", "/acme/nope", "/other/a", "/other/a") == [404, 429, 200, 429]
