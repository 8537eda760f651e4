"""What the package shows to its users."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.resources import files

import ratelog
import ratelog.fastapi
import ratelog.httpx
import ratelog.httpx2
import ratelog.requests

NAMES = [
    "Check", "CheckCompleted", "ConfigError", "Decision", "Denial", "Endpoint", "Event", "Health", "Limits",
    "LocalLimiter", "NeedsModuleError", "NoPolicyError", "Override", "RateLimit", "RateLimitMiddleware",
    "RateLimiter", "RatelogError", "ServerRecovered", "ServerUnavailable", "Settings", "SettingsReloaded",
    "SyncRateLimiter", "UnavailableError", "__version__", "hashed",
]  # fmt: skip


def test_the_public_names_are_these_and_no_others() -> None:
    assert sorted(ratelog.__all__) == sorted(NAMES)
    assert sorted(ratelog.fastapi.__all__) == ["RateLimited", "document", "health_router"]
    for module in (ratelog.httpx, ratelog.httpx2):
        assert sorted(module.__all__) == ["AsyncRetryTransport", "RetryPolicy", "RetryTransport"]
    assert sorted(ratelog.requests.__all__) == ["RetryAdapter", "RetryPolicy"]
    assert all(hasattr(ratelog, name) for name in NAMES)


def test_the_package_is_typed() -> None:
    assert (files("ratelog") / "py.typed").is_file()
    assert (files("ratelog") / "_core.pyi").is_file()


def test_every_public_class_and_method_says_what_it_does() -> None:
    for name in (ratelog.RateLimiter, ratelog.SyncRateLimiter, ratelog.RateLimit, ratelog.Settings, ratelog.Denial):
        assert inspect.getdoc(name)
        for member, value in vars(name).items():
            if not member.startswith("_") and inspect.isfunction(value):
                assert value.__doc__, f"{name.__name__}.{member}"


def test_both_limiters_have_the_same_operations() -> None:
    def operations(cls: type) -> dict[str, list[str]]:
        shared = ("check", "peek", "mcheck", "refund", "reset", "set_override", "get_override", "del_override", "start")
        return {name: list(inspect.signature(getattr(cls, name)).parameters) for name in shared}

    assert operations(ratelog.RateLimiter) == operations(ratelog.SyncRateLimiter)


WEB = {"fastapi", "starlette", "httpx", "httpx2", "requests"}


def test_importing_it_needs_no_web_framework_and_no_http_client() -> None:
    code = "import ratelog, sys; sys.exit(not WEB.isdisjoint(sys.modules))".replace("WEB", repr(WEB))
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")
