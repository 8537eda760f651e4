"""Exact rate limits in Redis and Valkey, for FastAPI and for any Python program.

limiter = RateLimiter("redis://127.0.0.1:6379/0", default="100/minute")
limiter.protect(app)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._core import Decision, Limits, LocalLimiter, __version__
from .check import Check
from .engine.overrides import Override
from .errors import ConfigError, DeniedError, NeedsModuleError, NoPolicyError, RatelogError, UnavailableError
from .events import CheckCompleted, Event, ServerRecovered, ServerUnavailable, SettingsReloaded
from .health import Health, ShardHealth
from .limiter import RateLimiter
from .settings import Endpoint, Settings
from .sync import SyncRateLimiter

if TYPE_CHECKING:
    from .pace import Pace, SyncPace
    from .web.dependency import RateLimitDependency
    from .web.keys import hashed
    from .web.middleware import RateLimitMiddleware
    from .web.request_state import Denial

__all__ = [
    "Check",
    "CheckCompleted",
    "ConfigError",
    "Decision",
    "Denial",
    "DeniedError",
    "Endpoint",
    "Event",
    "Health",
    "Limits",
    "LocalLimiter",
    "NeedsModuleError",
    "NoPolicyError",
    "Override",
    "Pace",
    "RateLimitDependency",
    "RateLimitMiddleware",
    "RateLimiter",
    "RatelogError",
    "ServerRecovered",
    "ServerUnavailable",
    "Settings",
    "SettingsReloaded",
    "ShardHealth",
    "SyncPace",
    "SyncRateLimiter",
    "UnavailableError",
    "__version__",
    "hashed",
]

# Imported on first use, so that a worker with a `SyncRateLimiter` imports no code for requests.
_LAZY = {
    "Denial": ".web.request_state",
    "Pace": ".pace",
    "RateLimitDependency": ".web.dependency",
    "RateLimitMiddleware": ".web.middleware",
    "SyncPace": ".pace",
    "hashed": ".web.keys",
}


def __getattr__(name: str) -> object:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
