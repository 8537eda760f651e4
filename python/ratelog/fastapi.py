"""What needs FastAPI: a router for the limiter's health, the documentation of limits, and what a limit raises."""

from __future__ import annotations

from .web.health import health_router
from .web.openapi import document
from .web.responses import RateLimited

__all__ = ["RateLimited", "document", "health_router"]
