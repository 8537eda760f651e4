"""The applications: one endpoint, and a limit of 1,000,000 requests per minute that never denies."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LIMIT = 1_000_000
ANSWER = {"ok": True}


def plain(_: str) -> FastAPI:
    """The endpoint without a limit."""
    return _with_endpoint(FastAPI())


def middleware(url: str) -> FastAPI:
    """`RateLimitMiddleware`, as `protect` adds it."""
    from ratelog import RateLimiter

    app = FastAPI()
    # A busy machine must not be mistaken for an unavailable server.
    RateLimiter(url, default=f"{LIMIT}/minute", timeout=5).protect(app)
    return _with_endpoint(app)


def memory(_: str) -> FastAPI:
    """The same without a server."""
    return middleware("memory://")


def dependency(url: str) -> FastAPI:
    """Hand-written code with redis-py: one command, a 429 with Retry-After, and the headers."""
    from redis.asyncio import Redis

    server = Redis.from_url(url)

    async def check(request: Request, response: Response) -> None:
        host = request.client.host if request.client else "unknown"
        reply = await server.execute_command("RL.CHECK", f"ip:{host}", LIMIT, "1m")  # type: ignore[no-untyped-call]
        allowed, limit, remaining, retry_after_ms, reset_after_ms, _ = reply
        fields = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(-(-reset_after_ms // 1000)),
        }
        if not allowed:
            raise HTTPException(429, headers={**fields, "Retry-After": str(-(-retry_after_ms // 1000))})
        response.headers.update(fields)

    return _with_endpoint(FastAPI(dependencies=[Depends(check)]))


def slowapi(url: str, *, with_headers: bool = False) -> FastAPI:
    """slowapi's pure ASGI middleware with a moving window."""
    from slowapi import Limiter
    from slowapi.middleware import SlowAPIASGIMiddleware
    from slowapi.util import get_remote_address

    app = FastAPI()
    app.state.limiter = Limiter(
        get_remote_address,
        default_limits=[f"{LIMIT}/minute"],
        storage_uri=url,
        strategy="moving-window",
        headers_enabled=with_headers,
    )
    app.add_middleware(SlowAPIASGIMiddleware)
    return _with_endpoint(app)


def fastapi_limiter(url: str) -> FastAPI:
    """fastapi-limiter's dependency with pyrate-limiter's bucket in Redis."""
    from fastapi_limiter.depends import RateLimiter
    from pyrate_limiter import Duration, Limiter, Rate
    from pyrate_limiter.buckets import RedisBucket
    from redis.asyncio import Redis

    rates = [Rate(LIMIT, Duration.MINUTE)]
    limit: Any = RateLimiter(limiter=Limiter(rates))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        limit.limiter = Limiter(await RedisBucket.init(rates, Redis.from_url(url), "fastapi-limiter"))
        yield

    return _with_endpoint(FastAPI(lifespan=lifespan), Depends(limit))


def throttled(url: str) -> FastAPI:
    """throttled-py's decorator with its default, a token bucket; without its middleware for headers."""
    from throttled.asyncio import RedisStore
    from throttled.asyncio.contrib.fastapi import Limiter, get_remote_address

    limiter = Limiter(f"{LIMIT}/m", store=RedisStore(server=url), key_func=get_remote_address)
    app = FastAPI()

    async def endpoint(request: Request) -> dict[str, bool]:  # noqa: ARG001 - the decorator reads it
        return ANSWER

    app.get("/")(limiter.limit()(endpoint))
    return app


def _with_endpoint(app: FastAPI, *dependencies: Any) -> FastAPI:
    @app.get("/", dependencies=dependencies)
    async def endpoint() -> dict[str, bool]:
        return ANSWER

    return app


APPS: dict[str, Callable[[str], FastAPI]] = {
    "the plain app": plain,
    "`RateLimitMiddleware`": middleware,
    "`RateLimitMiddleware`, `memory://`": memory,
    "a dependency on redis-py": dependency,
    "slowapi 0.1.10, with headers": partial(slowapi, with_headers=True),
    "slowapi 0.1.10": slowapi,
    "fastapi-limiter 0.2.0": fastapi_limiter,
    "throttled-py 3.5.0": throttled,
}
"""The applications by their names in the report."""

WITHOUT_SERVER = frozenset({"the plain app", "`RateLimitMiddleware`, `memory://`"})
