"""The parts that need FastAPI: the health router, the OpenAPI documentation, and the exception of a denied request."""

from __future__ import annotations

from .web.health import health_router
from .web.openapi import document
from .web.responses import RateLimited

__all__ = ["RateLimited", "document", "health_router"]
