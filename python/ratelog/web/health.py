"""A router that tells how the limiter gets on with its server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from ..limiter import RateLimiter


def health_router(limiter: RateLimiter, path: str = "/health/rate-limiter") -> APIRouter:
    """A FastAPI router with one path, not limited: `Health` as JSON. 200 while requests are served, also without the
    server; 503 while they are all denied since it is away."""
    router = APIRouter()

    @router.get(path, include_in_schema=False)
    @limiter.exempt
    async def health() -> JSONResponse:
        told = limiter.health()
        return JSONResponse(told.as_dict(), 200 if told.serving else 503)

    return router
