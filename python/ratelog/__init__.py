"""Exact rate limits in Redis and Valkey, for FastAPI and for any Python program.

limiter = RateLimiter("redis://localhost:6379/0", default="100/minute")
limiter.protect(app)
"""

from __future__ import annotations

from ._core import Decision, Limits, LocalLimiter, __version__
from .check import Check
from .engine.overrides import Override
from .errors import ConfigError, NeedsModuleError, NoPolicyError, RatelogError, UnavailableError
from .events import CameBack, Checked, Event, Reloaded, WentAway
from .health import Health
from .limiter import RateLimiter
from .settings import Endpoint, Settings
from .sync import SyncRateLimiter
from .web.keys import hashed
from .web.limit import RateLimit
from .web.middleware import RateLimitMiddleware
from .web.request_state import Denial

__all__ = [
    "CameBack",
    "Check",
    "Checked",
    "ConfigError",
    "Decision",
    "Denial",
    "Endpoint",
    "Event",
    "Health",
    "Limits",
    "LocalLimiter",
    "NeedsModuleError",
    "NoPolicyError",
    "Override",
    "RateLimit",
    "RateLimitMiddleware",
    "RateLimiter",
    "RatelogError",
    "Reloaded",
    "Settings",
    "SyncRateLimiter",
    "UnavailableError",
    "WentAway",
    "__version__",
    "hashed",
]
