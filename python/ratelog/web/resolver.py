"""Resolves the limits on a request: the defaults, those of the settings, and those of its endpoint."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .configured import ALL
from .early_limits import EarlyLimits
from .endpoint import Endpoint, is_documentation
from .keys import FALLING_BACK
from .limit import AppliedLimit, RateLimit
from .routes import Routes
from .scope import method_of, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .dependency import RateLimitDependency
    from .registry import Registry
    from .types import Scope

MAX_CACHED = 4096
MAX_CACHED_LENGTH = 256
"""The cache is bounded in entries, and in characters per entry, since clients choose paths."""


class RequestLimits(NamedTuple):
    """The limits on a request."""

    applied: Sequence[AppliedLimit]
    """Checked before the application handles the request."""
    exempt: bool = False
    declared: Sequence[AppliedLimit] = ()
    """Declared on the endpoint itself, including those that are checked at their place."""
    endpoint: str | None = None
    """The name of the endpoint, if it is known."""
    path_params: Mapping[str, Any] = MappingProxyType({})
    dependant: Any = None
    """FastAPI's description of the endpoint."""
    early: EarlyLimits | None = None
    """The applied limits, if none has a function."""
    may_redirect: bool = False
    """Whether the router would redirect to the path with or without a slash. Then the request that follows counts."""


_NO_TAGS: frozenset[str] = frozenset()
UNKNOWN = RequestLimits(())
"""The limits if the application is not known."""


class Resolver:
    """Resolves the limits on requests to one application."""

    def __init__(self, registry: Registry, app: Any, is_own: Callable[[RateLimitDependency], bool]) -> None:
        """`is_own` distinguishes limits of this limiter from those of other limiters."""
        self._registry = registry
        self._is_own = is_own
        self.app = app
        self.routes = Routes(app)
        self._cache: dict[tuple[str, str, str, str], tuple[object, int, RequestLimits]] = {}

    def resolve(self, scope: Scope) -> RequestLimits:
        """Returns the limits to check before the application handles the request."""
        # The limits of an outdated revision are stored under it, so that they are not used.
        revision = self._registry.revision
        # As the router has them: it compares methods by case.
        cache_key = (scope["type"], scope.get("method", ""), scope["path"], scope.get("root_path", ""))
        routes = self.routes
        cached = None if routes.have_overrides else self._cache.get(cache_key)
        if cached is not None and cached[0] is revision and cached[1] == routes.size:
            return cached[2]
        errors = routes.errors
        limits = self._resolve(scope)
        is_cacheable = routes.match_by_path and not routes.have_overrides and routes.errors == errors
        if is_cacheable and sum(map(len, cache_key)) <= MAX_CACHED_LENGTH:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[cache_key] = (revision, routes.size, limits)
        return limits

    def resolve_endpoint(self, scope: Scope) -> RequestLimits:
        """Returns the limits of the endpoint that is handling the request."""
        # A mount changes the root path, and the application itself may be mounted.
        root_path = scope.get("root_path", "")
        for root in dict.fromkeys((root_path, scope.get("app_root_path", root_path))):
            candidate = {**scope, "root_path": root}
            endpoint = self.routes.find(candidate)
            if endpoint is not None and endpoint.target is scope.get("endpoint"):
                return self._endpoint_limits(candidate, endpoint)
        return self._endpoint_limits({**scope, "root_path": scope.get("app_root_path", root_path)}, None)

    def _endpoint_limits(self, scope: Scope, endpoint: Endpoint | None) -> RequestLimits:
        path = path_of(scope)
        settings = self._registry.configured
        configured = settings.endpoint(method_of(scope), path, _NO_TAGS if endpoint is None else endpoint.tags)
        if (
            settings.is_exempt(path)
            or (endpoint is not None and (endpoint.exempt or (settings.exempts_docs and is_documentation(endpoint))))
            or (configured is not None and configured.limit is None)
        ):
            return RequestLimits((), exempt=True)
        if endpoint is None:
            return RequestLimits(())
        return RequestLimits(
            (),
            declared=self._declared(endpoint, method_of(scope)),
            endpoint=endpoint.name,
            path_params=endpoint.path_params,
            dependant=endpoint.dependant,
        )

    def _resolve(self, scope: Scope) -> RequestLimits:
        settings = self._registry.configured
        endpoint = self.routes.find(scope)
        limits = self._endpoint_limits(scope, endpoint)
        if limits.exempt:
            return limits
        applied = [item for item in limits.declared if self._registry.is_early(item.limit)]
        tags = _NO_TAGS if endpoint is None else endpoint.tags
        configured = settings.endpoint(method_of(scope), path_of(scope), tags)
        if configured is not None and configured.limit is not None:
            limit = configured.limit
            others = [item.scope for item in limits.declared if has_same_key(self._registry, item.limit, limit)]
            applied.append(applied_limit(self._registry, limit, unique_scope(limit.scope or configured.scope, others)))
        overridden = any(item.limit.override_defaults for item in (*limits.declared, *applied))
        if not overridden:
            defaults = []
            if settings.default is not None:
                defaults.append(AppliedLimit(settings.default, ALL))
            if settings.default_per_endpoint is not None and limits.endpoint is not None:
                defaults.append(AppliedLimit(settings.default_per_endpoint, f"default:{limits.endpoint}"))
            applied[:0] = defaults
        is_early = all(self._registry.is_early(item.limit) for item in applied)
        early = EarlyLimits(self._registry, applied) if is_early else None
        may_redirect = limits.endpoint is None and self.routes.redirects(scope)
        return limits._replace(applied=tuple(applied), early=early, may_redirect=may_redirect)

    def _declared(self, endpoint: Endpoint, method: str) -> tuple[AppliedLimit, ...]:
        applied: list[AppliedLimit] = []
        for dependency in endpoint.limits:
            limit = dependency.limit
            if self._is_own(dependency):
                is_named = limit.scope is not None
                others = [
                    item.scope for item in applied if not is_named or has_same_key(self._registry, item.limit, limit)
                ]
                applied.append(applied_limit(self._registry, limit, unique_scope(limit.scope or endpoint.name, others)))
        # The scope of a limit must not depend on the method of the request.
        return tuple(item for item in applied if item.limit.applies_to(method))


def unique_scope(scope: str, others: Sequence[str]) -> str:
    """A scope that is neither one of the others nor that of the defaults, so that limits do not share their units."""
    return scope if scope != ALL and scope not in others else unique_scope(f"{scope}#", others)


def applied_limit(registry: Registry, limit: RateLimit, scope: str) -> AppliedLimit:
    """Applies a limit. In a scope of the program's own, it has another one for requests without its user or API key."""
    name = None if callable(limit.key) else registry.key_name(limit.key)
    if limit.scope is None or name not in FALLING_BACK or not registry.is_built_in(name):
        return AppliedLimit(limit, scope)
    return AppliedLimit(limit, scope, f"{scope}#{name}")


def has_same_key(registry: Registry, one: RateLimit, other: RateLimit) -> bool:
    """Whether two limits count the same subject. Others may share a scope, as their Redis keys differ."""
    default = registry.settings.key
    return (default if one.key is None else one.key) == (default if other.key is None else other.key)
