"""The public names of the package."""

from __future__ import annotations

import dataclasses
import gc
import inspect
from importlib.resources import files
from types import FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

import ratelog
import ratelog.admin
import ratelog.fastapi
import ratelog.httpx
import ratelog.httpx2
import ratelog.opentelemetry
import ratelog.requests
from ratelog.admin import Admin
from ratelog.fastapi import document, health_router
from ratelog.sync_admin import SyncAdmin

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [
    "Check", "CheckCompleted", "ConfigError", "Decision", "Denial", "DeniedError", "Endpoint", "Event", "Health",
    "Limits", "LocalLimiter", "NeedsModuleError", "NoPolicyError", "Override", "Pace", "RateLimitDependency",
    "RateLimitMiddleware", "RateLimiter", "RatelogError", "ServerRecovered", "ServerUnavailable", "Settings",
    "SettingsReloaded", "ShardHealth", "SyncPace", "SyncRateLimiter", "UnavailableError", "__version__", "hashed",
]  # fmt: skip


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(ratelog.__all__) == sorted(NAMES)
    assert sorted(ratelog.fastapi.__all__) == ["RateLimited", "document", "health_router"]
    for module in (ratelog.httpx, ratelog.httpx2):
        assert sorted(module.__all__) == ["AsyncRetryTransport", "RetryPolicy", "RetryTransport"]
    assert sorted(ratelog.admin.__all__) == [
        "Admin", "Explanation", "Hit", "KeyInfo", "ListedOverride", "NodePolicies", "Policy", "PolicyStats", "Stats",
        "TopKey",
    ]  # fmt: skip
    assert ratelog.opentelemetry.__all__ == ["instrument"]
    assert sorted(ratelog.requests.__all__) == ["RetryAdapter", "RetryPolicy"]
    assert all(hasattr(ratelog, name) for name in NAMES)


def test_the_package_is_typed() -> None:
    assert (files("ratelog") / "py.typed").is_file()
    assert (files("ratelog") / "_core.pyi").is_file()


def test_every_public_class_and_method_has_a_docstring() -> None:
    for name in (
        ratelog.RateLimiter,
        ratelog.SyncRateLimiter,
        ratelog.RateLimitDependency,
        ratelog.Settings,
        ratelog.Denial,
        Admin,
        SyncAdmin,
    ):
        assert inspect.getdoc(name)
        for member, value in vars(name).items():
            if not member.startswith("_") and inspect.isfunction(value):
                assert value.__doc__, f"{name.__name__}.{member}"


def test_both_limiters_have_the_same_operations() -> None:
    def operations(cls: type) -> dict[str, list[str]]:
        shared = ("check", "peek", "mcheck", "refund", "reset", "set_override", "get_override", "del_override", "start")
        return {name: list(inspect.signature(getattr(cls, name)).parameters) for name in shared}

    assert operations(ratelog.RateLimiter) == operations(ratelog.SyncRateLimiter)


def test_the_operations_of_operators_are_the_same_in_both_limiters() -> None:
    def operations(cls: type) -> dict[str, list[str]]:
        public = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
        return {name: list(inspect.signature(value).parameters) for name, value in public.items()}

    assert operations(Admin) == operations(SyncAdmin)
    assert sorted(operations(Admin)) == [
        "delete_policy", "explain", "export_policies", "hits", "import_policies", "inspect", "overrides", "policies",
        "policy", "policy_versions", "set_policy", "stats", "top",
    ]  # fmt: skip


OPERATIONS = [
    "admin", "check", "del_override", "get_override", "health", "mcheck", "pace", "peek", "prefix", "refund", "reload",
    "reset", "reset_all", "set_override", "settings", "start", "until_allowed",
]  # fmt: skip
FOR_REQUESTS = ["exempt", "key", "limit", "on_denied", "plan", "protect", "refund_request", "reset_request"]


def public_attributes(limiter: object) -> list[str]:
    return [name for name in dir(limiter) if not name.startswith("_")]


def test_the_public_attributes_of_the_limiters_are_exactly_these() -> None:
    assert public_attributes(ratelog.RateLimiter("memory://")) == sorted([*OPERATIONS, *FOR_REQUESTS, "aclose"])
    assert public_attributes(ratelog.SyncRateLimiter("memory://")) == sorted([*OPERATIONS, "close"])


def test_a_rate_limit_is_plain_data() -> None:
    limit = ratelog.RateLimiter("memory://")("2/minute", key="user", scope="all").limit
    fields = {
        "limits",
        "key",
        "cost",
        "scope",
        "override_defaults",
        "on_denied",
        "count_if",
        "skip_if",
        "methods",
        "exempt_when",
        "dependencies",
    }
    assert {field.name for field in dataclasses.fields(limit)} == fields
    assert public_attributes(limit) == sorted(
        [*fields, "applies_to", "counts", "create", "describe", "has_condition", "has_functions"]
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        limit.scope = "other"  # type: ignore[misc]


def test_nothing_for_requests_holds_the_limiter() -> None:
    limiter = ratelog.RateLimiter("memory://", default="9/minute")
    app = FastAPI()

    @app.get("/")
    @limiter.limit("1/minute")
    async def endpoint() -> None: ...

    router = health_router(limiter)
    document(app, limiter._web.enforcer)
    dependency = limiter("2/minute")
    middleware = ratelog.RateLimitMiddleware(app, limiter)
    assert not any(
        isinstance(held, ratelog.RateLimiter)
        for held in reachable(dependency, middleware, endpoint, router, app.openapi)
    )


def reachable(*roots: object) -> Iterator[object]:
    """All objects that are reachable from the roots, except through modules and classes."""
    seen: dict[int, object] = {}
    left = list(roots)
    while left:
        held = left.pop()
        if id(held) in seen or isinstance(held, (type, ModuleType, FrameType)) or held is globals():
            continue
        seen[id(held)] = held
        if isinstance(held, FunctionType):
            left += [cell.cell_contents for cell in held.__closure__ or ()]
            left.append(vars(held))
        else:
            left += gc.get_referents(held)
    yield from seen.values()
