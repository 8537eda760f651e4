"""Checks the limits on requests."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..events import logger
from .check_builder import CheckBuilder
from .cors import is_preflight
from .request_state import RequestState
from .resolver import UNKNOWN, Resolver, applied_limit, has_same_key, unique_scope
from .route_table import routed
from .scope import method_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

    from .._core import Decision
    from ..check import Check
    from .early_limits import EarlyLimits
    from .limit import AppliedLimit, RateLimit
    from .registry import Registry
    from .request_state import Denial
    from .resolver import RequestLimits
    from .types import Decide, Message, Resolved, Scope, TakeBack

NO_ENDPOINT = "no endpoint"
"""The scope of a limit that is enforced where no endpoint is known."""
_REDIRECTS = frozenset({307, 308})
"""The statuses of a router that adds or removes a slash."""
_NOTHING_RESOLVED: Resolved = {}


class Enforcer:
    """Decides each limit on a request once, in stages, and raises if one is denied.

    A stage is one call of `check`: the middleware checks the limits that depend on nothing in the endpoint, and each
    other limit is checked at its place. If a stage denies, the units of the earlier ones are taken back.
    """

    def __init__(self, registry: Registry, decide: Decide, take_back: TakeBack) -> None:
        self.registry = registry
        self._decide = decide
        self._take_back = take_back
        self._builder = CheckBuilder(registry)
        self._resolvers: dict[int, Resolver] = {}
        self._scope_key = f"ratelog.{id(self):x}"
        """The scope key of a request's state. Each limiter has its own."""

    def state(self, scope: Scope) -> RequestState:
        """Returns the state of a request."""
        state: RequestState | None = scope.get(self._scope_key)
        if state is None:
            state = scope[self._scope_key] = RequestState(self.registry)
        return state

    def ignores(self, scope: Scope) -> bool:
        """Whether the settings exempt a request from all limits, whatever its endpoint."""
        settings = self.registry.settings
        return not settings.enabled or (not settings.count_preflight and is_preflight(scope))

    def resolver(self, scope: Scope, app: Any = None) -> Resolver | None:
        """Returns the resolver of the application that handles a request."""
        outer = scope.get("app")
        inner = routed(app)
        # A middleware of a mount is inside the application of the scope; one of the application is around its router.
        if inner is None or inner is getattr(outer, "router", outer):
            inner = routed(outer) or outer or app
        if inner is None:
            return None
        app = inner
        # The resolver keeps the application, so that its id is not reused.
        resolver = self._resolvers.get(id(app))
        if resolver is None:
            resolver = Resolver(self.registry, app, lambda dependency: dependency.enforcer is self)
            self._resolvers[id(app)] = resolver
        return resolver

    async def check(
        self,
        state: RequestState,
        applied: Sequence[AppliedLimit],
        connection: Any,
        resolved_limit: RateLimit | None = None,
        resolved: Resolved = _NOTHING_RESOLVED,
    ) -> Denial | None:
        """Decides the limits that were not checked yet, in one round trip. Returns the denial of the request, if any.

        `resolved` has the results of those functions of `resolved_limit` that FastAPI has called.
        """
        limits: list[RateLimit] = []
        checks: list[Check] = []
        repeated: dict[RateLimit, int] = {}
        """The limits whose check another one makes already, and its place."""
        for item in applied:
            limit = item.limit
            if limit in state.checked:
                continue
            check = await self._builder.build(
                item, connection, resolved if limit is resolved_limit else _NOTHING_RESOLVED
            )
            state.checked[limit] = None
            state.scopes += (item.scope,)
            if check is None:
                continue
            if check in checks:
                repeated[limit] = checks.index(check)
                continue
            limits.append(limit)
            checks.append(check)
        if not checks:
            return state.denial
        sent_at = monotonic()
        decisions = await self._decide(checks)
        taken_back = state.record(limits, checks, decisions, sent_at)
        state.checked.update((limit, decisions[place]) for limit, place in repeated.items())
        if taken_back:
            await self._take_back(taken_back)
        return state.denial

    async def check_early(self, state: RequestState, early: EarlyLimits, scope: Scope) -> Denial | None:
        """Does what `check` does, in less time, for the first limits of a request if none has a function."""
        checks = early.checks(scope)
        state.scopes = early.scopes
        sent_at = monotonic()
        state.record(early.limits, checks, await self._decide(checks), sent_at)
        return state.denial if state.is_denied else None

    async def enforce(
        self, limit: RateLimit, connection: HTTPConnection, resolved: Resolved = _NOTHING_RESOLVED
    ) -> Decision | None:
        """Checks a limit on the endpoint that is handling the request. Returns `None` if the request is exempt.

        Raises:
            RateLimited: the request is denied.
        """
        scope = connection.scope
        state = self.state(scope)
        if state.is_exempt or self.ignores(scope) or not limit.applies_to(method_of(scope)):
            return None
        if limit.has_condition and not state.sends_headers:
            self.registry.problems.report("count_if and skip_if need limiter.protect(app); every request counts")
        if limit not in state.checked:
            limits = self._endpoint_limits(state, scope)
            if limits.exempt:
                state.is_exempt = True
                return None
            # Without a middleware, the limits that depend on nothing were not checked yet.
            is_early = self.registry.is_early
            applied = [item for item in limits.declared if item.limit is limit or is_early(item.limit)]
            if not any(item.limit is limit for item in applied):
                applied.insert(0, self._undeclared(limit, state, limits, scope))
            await self.check(state, applied, connection, limit, resolved)
        denial = state.denial
        error: Exception | None = None
        if denial is not None:
            from .responses import denial_error

            error = denial_error(denial, connection)
        if not state.sends_headers:
            from .error_headers import add_headers_to_errors

            add_headers_to_errors(scope, self._scope_key)
        if error is not None:
            raise error
        return state.checked.get(limit)

    async def settle(self, state: RequestState, message: Message) -> None:
        """Takes back the units of those limits whose condition does not count the response that `message` starts."""
        from .response_start import ResponseStart

        # A response starts once, even if the application raises an error afterwards.
        state.has_conditions = False
        response = ResponseStart.from_message(message)
        uncounted = set()
        for limit in state.conditional_limits:
            try:
                if not await limit.counts(response):
                    uncounted.add(limit)
            except Exception:  # noqa: BLE001 - the request was served, whatever the program's function does
                logger.exception("a condition of a limit failed; the request counts")
        is_redirect = state.may_redirect and response.status_code in _REDIRECTS
        taken_back = state.unrecord(lambda limit: is_redirect or limit in uncounted)
        if taken_back:
            await self._take_back(taken_back)

    async def refund(self, scope: Scope) -> int:
        """Takes back all units that a request has recorded. Returns their number."""
        taken_back = self.state(scope).unrecord(lambda _: True)
        if taken_back:
            await self._take_back(taken_back)
        return sum(check.cost for check, _ in taken_back)

    def set_headers(self, connection: HTTPConnection, response: Any) -> None:
        """Sets the headers on FastAPI's response, and on one that the endpoint returns.

        Does nothing if a middleware adds the headers.
        """
        state = self.state(connection.scope)
        if state.sends_headers:
            return
        from .responses import add_headers

        add_headers(state, response)
        dependant = None if state.request_limits is None else state.request_limits.dependant
        if dependant is not None:
            from .endpoint_headers import add_headers_of

            add_headers_of(state, dependant)

    def _endpoint_limits(self, state: RequestState, scope: Scope) -> RequestLimits:
        limits = state.request_limits
        if limits is None or limits.endpoint is None:
            resolver = self.resolver(scope)
            limits = state.request_limits = UNKNOWN if resolver is None else resolver.resolve_endpoint(scope)
        return limits

    def _undeclared(self, limit: RateLimit, state: RequestState, limits: RequestLimits, scope: Scope) -> AppliedLimit:
        """Applies a limit that no route declares.

        Its scope is the endpoint's name, since clients choose paths. Without an endpoint, limits with the same rules
        share one.
        """
        name = limits.endpoint
        if name is None:
            endpoint = scope.get("endpoint")
            qualified_name = getattr(endpoint, "__qualname__", None)
            module = getattr(endpoint, "__module__", "")
            name = f"{NO_ENDPOINT}: {limit.describe()}" if qualified_name is None else f"{module}.{qualified_name}"
        others = [*zip(state.checked, state.scopes, strict=False), *(item[:2] for item in limits.declared)]
        taken = [other_scope for other, other_scope in others if self._may_meet(limit, other)]
        return applied_limit(self.registry, limit, unique_scope(limit.scope or name, taken))

    def _may_meet(self, limit: RateLimit, other: RateLimit) -> bool:
        """Whether two limits of one scope count a request in one key."""
        return limit.scope is None or has_same_key(self.registry, limit, other)
