"""A router that reports the state of a limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from .exemption import exempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..health import Health


class HasHealth(Protocol):
    """A limiter, as this module sees it."""

    _report_health: Callable[[], Health]


def health_router(limiter: HasHealth, path: str = "/health/rate-limiter") -> APIRouter:
    """Returns a FastAPI router with one exempt path, which responds with `Health` as JSON.

    The status is 200 while requests are served, with or without the server. It is 503 while all requests are denied
    because the server is unavailable.
    """
    router = APIRouter()
    report = limiter._report_health  # noqa: SLF001 - private to its users, not to this package

    async def health() -> JSONResponse:
        state = report()
        return JSONResponse(state.as_dict(), 200 if state.serving else 503)

    exempt(health)
    router.add_api_route(path, health, include_in_schema=False)
    return router
