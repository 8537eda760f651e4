"""A limit as a FastAPI dependency."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from .callables import caught_dependency

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .._core import Decision
    from .limit import RateLimit
    from .types import Resolved, Scope


class LimitEnforcer(Protocol):
    """The enforcer, as a dependency sees it."""

    registry: Any

    def state(self, scope: Scope) -> Any: ...
    def set_headers(self, connection: HTTPConnection, response: Any) -> None: ...
    async def enforce(
        self, limit: RateLimit, connection: HTTPConnection, resolved: Resolved = ...
    ) -> Decision | None: ...


class RateLimitDependency:
    """A FastAPI dependency: `Depends(limiter("10/second"))`. Its value is the `Decision`, or `None` if exempt."""

    def __init__(self, limit: RateLimit, enforcer: LimitEnforcer) -> None:
        self.limit = limit
        self.enforcer = enforcer

    @property
    def __signature__(self) -> inspect.Signature:
        """The parameters that FastAPI resolves: the connection, the response, and the functions with dependencies."""
        return _signature(self.dependencies())

    def dependencies(self) -> dict[str, Callable[..., Any]]:
        """Returns the functions of this limit that FastAPI has to call."""
        dependencies = dict(self.limit.dependencies)
        cost = dependencies.get("cost")
        if cost is not None:
            dependencies["cost"] = caught_dependency(cost)
        if isinstance(self.limit.limits, Mapping):
            registry = self.enforcer.registry
            plan = registry.plan_dependency
            if plan is not None:
                dependencies["plan"] = plan
            else:
                registry.plan_was_needed = True
        return dependencies

    async def __call__(self, connection: Any, response: Any, **resolved: Any) -> Decision | None:
        """Enforces the limit. FastAPI passes the connection, the response to set headers on, and the results of the
        functions that it has called.

        Raises:
            RateLimited: the request is denied.
        """
        decision = await self.enforce(connection, resolved)
        self.enforcer.set_headers(connection, response)
        return decision

    async def enforce(self, connection: HTTPConnection, resolved: Resolved = MappingProxyType({})) -> Decision | None:
        """Enforces the limit on a request. Returns `None` if the request is exempt.

        `resolved` has the results of the functions that FastAPI has called.

        Raises:
            RateLimited: the request is denied.
        """
        return await self.enforcer.enforce(self.limit, connection, resolved)


def _signature(dependencies: Mapping[str, Callable[..., Any]]) -> inspect.Signature:
    from fastapi import Depends, Response
    from starlette.requests import HTTPConnection

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("connection", kind, annotation=HTTPConnection),
        inspect.Parameter("response", kind, annotation=Response),
    ]
    parameters += [inspect.Parameter(name, kind, default=Depends(function)) for name, function in dependencies.items()]
    return inspect.Signature(parameters)
