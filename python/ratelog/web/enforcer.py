"""Checks the limits on requests."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .._core import Limits
from ..check import Check, to_cost, to_limits
from .callables import maybe_await
from .keys import redis_key
from .limit import AppliedLimit, RateLimit
from .request_state import RequestState
from .resolver import UNKNOWN, Resolver, path_of, unique_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

    from .._core import Decision
    from .registry import Registry
    from .request_state import Denial
    from .resolver import RequestLimits
    from .types import Decide, Scope


class Enforcer:
    """Builds the checks of a request, decides each of them once, and raises `RateLimited` if one is denied."""

    def __init__(self, registry: Registry, decide: Decide) -> None:
        self.registry = registry
        self._decide = decide
        self._resolvers: dict[int, Resolver] = {}
        self._scope_key = f"ratelog.{id(self):x}"
        """The scope key of a request's state. Each limiter has its own."""

    def state(self, scope: Scope) -> RequestState:
        """Returns the state of a request."""
        state: RequestState | None = scope.get(self._scope_key)
        if state is None:
            state = scope[self._scope_key] = RequestState(self.registry)
        return state

    def resolver(self, scope: Scope, app: Any = None) -> Resolver | None:
        """Returns the resolver of the application that handles a request."""
        app = scope.get("app", app)
        if app is None:
            return None
        # The resolver keeps the application, so that its id is not reused.
        resolver = self._resolvers.get(id(app))
        if resolver is None:
            resolver = Resolver(self.registry, app, lambda dependency: dependency.enforcer is self)
            self._resolvers[id(app)] = resolver
        return resolver

    async def check(
        self, state: RequestState, applied: Sequence[AppliedLimit], connection: Any, key: str | None = None
    ) -> Denial | None:
        """Decides the limits that were not checked yet, in one round trip. Returns the denial of the request, if any.

        `key` is the result of a key function that FastAPI called.
        """
        limits: list[RateLimit] = []
        checks: list[Check] = []
        for limit, scope in applied:
            if limit in state.checked:
                continue
            check = await self._build_check(limit, connection, scope, key)
            state.checked[limit] = None
            state.scopes += (scope,)
            if check is not None and check not in checks:
                limits.append(limit)
                checks.append(check)
        if not checks:
            return None
        decisions = await self._decide(checks)
        for limit, check, decision in zip(limits, checks, decisions, strict=False):
            state.record(limit, check, decision)
        return state.denial

    async def enforce(self, limit: RateLimit, connection: HTTPConnection, key: str | None = None) -> Decision | None:
        """Checks a limit on the endpoint that is handling the request. Returns `None` if the request is exempt.

        Raises:
            RateLimited: the request is denied.
        """
        state = self.state(connection.scope)
        if state.is_exempt:
            return None
        if limit not in state.checked:
            resolved = self._endpoint_limits(state, connection.scope)
            if resolved.exempt:
                state.is_exempt = True
                return None
            declared = [item for item in resolved.declared if item.limit is limit]
            others = [item for item in resolved.declared if item.limit.dependency_key is None] if key is None else []
            applied = declared or [_undeclared(limit, state, resolved, connection.scope)]
            await self.check(state, [*applied, *others], connection, key)
        denial = state.denial
        if denial is not None:
            from .responses import RateLimited, register_handler

            register_handler(connection.scope)
            raise RateLimited(denial)
        return state.checked.get(limit)

    def _endpoint_limits(self, state: RequestState, scope: Scope) -> RequestLimits:
        limits = state.request_limits
        if limits is None or limits.endpoint is None:
            resolver = self.resolver(scope)
            limits = state.request_limits = UNKNOWN if resolver is None else resolver.resolve_endpoint(scope)
        return limits

    async def _build_check(
        self, limit: RateLimit, connection: HTTPConnection, scope: str, dependency_key: str | None
    ) -> Check | None:
        """Builds the check of a limit; `None` if the request is exempt from it."""
        limits = limit.limits if isinstance(limit.limits, Limits) else await self._limits(limit, connection)
        if limits is None:
            return None
        key: Any
        if limit.dependency_key is not None:
            key = dependency_key
        elif callable(limit.key):
            key = await maybe_await(limit.key(connection))
        else:
            key = self.registry.key(limit.key, connection)
            # Most keys are text, and this test is faster than the one for awaitables.
            if not isinstance(key, str) and inspect.isawaitable(key):
                key = await key
        if key is None:
            return None
        if not isinstance(key, str):
            raise TypeError(f"a key must be a str or None, not {type(key).__name__}")
        cost = limit.cost
        if not isinstance(cost, int):
            cost = to_cost(cast("int", await maybe_await(cost(connection))))
        return Check(redis_key(self.registry.settings.prefix, key, scope), limits, cost)

    async def _limits(self, limit: RateLimit, connection: HTTPConnection) -> Limits | None:
        if isinstance(limit.limits, Mapping):
            plan = await self.registry.plan(connection)
            # An unknown plan gets the limits of the first one.
            return next(iter(limit.limits.values())) if plan is None or plan not in limit.limits else limit.limits[plan]
        limits = await maybe_await(cast("Any", limit.limits)(connection))
        return None if limits is None else to_limits(limits)


def _undeclared(limit: RateLimit, state: RequestState, resolved: RequestLimits, scope: Scope) -> AppliedLimit:
    """Applies a limit that no route declares. Its scope is the endpoint's name, since clients choose paths."""
    name = resolved.endpoint
    if name is None:
        endpoint = scope.get("endpoint")
        qualified_name = getattr(endpoint, "__qualname__", None)
        module = getattr(endpoint, "__module__", "")
        name = path_of(scope) if qualified_name is None else f"{module}.{qualified_name}"
    taken = [*state.scopes, *(item.scope for item in resolved.declared)]
    return AppliedLimit(limit, unique_scope(limit.scope or name, taken))
