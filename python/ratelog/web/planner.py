"""Which limits are on a request: the defaults, those of the configuration, and those of its endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError
from .limit import Applied, RateLimit
from .routes import Endpoint, Routes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from re import Pattern

    from ..settings import Settings
    from .declarations import Declarations
    from .types import Scope

ALL = "*"
"""The scope of the defaults."""

MAX_REMEMBERED = 4096


class Configured(NamedTuple):
    """An endpoint of the configuration."""

    methods: frozenset[str]
    pattern: Pattern[str]
    limit: RateLimit | None
    scope: str


class Plan(NamedTuple):
    """What is on a request before the application sees it."""

    applied: Sequence[Applied]
    exempt: bool = False


class Rulebook:
    """What the settings say of paths; made anew when they are read again."""

    def __init__(self, settings: Settings, limiter: Declarations) -> None:
        terms = settings.default_terms
        self.default = None if terms is None else RateLimit(limiter, terms)
        self._exact = frozenset(path for path in settings.exempt if not _is_pattern(path))
        self._exempt = [compiled(path) for path in settings.exempt if _is_pattern(path)]
        self._configured = [
            Configured(
                frozenset(method.upper() for method in endpoint.methods),
                compiled(endpoint.path),
                None
                if endpoint.terms is None
                else RateLimit(
                    limiter,
                    endpoint.terms,
                    key=endpoint.key,
                    cost=endpoint.cost,
                    scope=endpoint.scope,
                    override_defaults=endpoint.override_defaults,
                ),
                f"{','.join(sorted(endpoint.methods)) or ALL} {endpoint.path}",
            )
            for endpoint in settings.endpoints
        ]

    def is_exempt(self, path: str) -> bool:
        """Whether the path is not limited."""
        return path in self._exact or any(pattern.fullmatch(path) for pattern in self._exempt)

    def configured(self, method: str, path: str) -> Configured | None:
        """The first endpoint of the configuration that matches."""
        for endpoint in self._configured:
            if (not endpoint.methods or method in endpoint.methods) and endpoint.pattern.fullmatch(path):
                return endpoint
        return None


class Planner:
    """The limits on requests to one application."""

    def __init__(self, limiter: Declarations, app: Any) -> None:
        self._limiter = limiter
        self.app = app
        self.routes = Routes(app)
        self._plans: dict[tuple[str, str, str], tuple[Rulebook, Plan]] = {}

    def plan(self, scope: Scope) -> Plan:
        """The limits that are checked before the application sees the request."""
        rulebook = self._limiter.rulebook
        path = path_of(scope)
        method = scope.get("method", "WEBSOCKET")
        place = (method, path, scope.get("root_path", ""))
        known = self._plans.get(place)
        if known is not None and known[0] is rulebook:
            return known[1]
        plan = self._made(rulebook, method, path, scope)
        if not self._overrides():
            if len(self._plans) >= MAX_REMEMBERED:
                self._plans.clear()
            self._plans[place] = (rulebook, plan)
        return plan

    def own(self, scope: Scope) -> Plan:
        """The limits that were declared on the request's endpoint, those with a late key too."""
        endpoint = self.routes.find(scope)
        if endpoint is None or endpoint.exempt or self._limiter.rulebook.is_exempt(path_of(scope)):
            return Plan((), exempt=endpoint is None or endpoint.exempt)
        return Plan(self._declared(endpoint))

    def _made(self, rulebook: Rulebook, method: str, path: str, scope: Scope) -> Plan:
        if rulebook.is_exempt(path):
            return Plan((), exempt=True)
        endpoint = self.routes.find(scope)
        configured = rulebook.configured(method, path)
        if (endpoint is not None and endpoint.exempt) or (configured is not None and configured.limit is None):
            return Plan((), exempt=True)
        declared = [] if endpoint is None else self._declared(endpoint)
        applied = [one for one in declared if one.limit.late_key is None]
        if configured is not None and configured.limit is not None:
            scopes = [one.scope for one in declared]
            applied.append(Applied(configured.limit, _unlike(configured.limit.scope or configured.scope, scopes)))
        overridden = any(one.limit.override_defaults for one in (*declared, *applied))
        if rulebook.default is not None and not overridden:
            applied.insert(0, Applied(rulebook.default, ALL))
        return Plan(tuple(applied))

    def _declared(self, endpoint: Endpoint) -> list[Applied]:
        overridden = self._overrides()
        applied: list[Applied] = []
        for limit in endpoint.limits:
            if limit.limiter is self._limiter and limit not in overridden:
                scopes = [one.scope for one in applied]
                applied.append(Applied(limit, _unlike(limit.scope or endpoint.name, scopes)))
        return applied

    def _overrides(self) -> Any:
        """The dependencies that a test has put others in place of."""
        return getattr(self.app, "dependency_overrides", ())


def path_of(scope: Scope) -> str:
    """The path within the application."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] or "/" if root and path.startswith(root) else path


def _unlike(scope: str, others: Sequence[str]) -> str:
    """A scope that none of the others is: limits of one endpoint do not count in each other's logs."""
    return scope if scope not in others else _unlike(f"{scope}#", others)


def _is_pattern(path: str) -> bool:
    return "{" in path or path.endswith("*")


def compiled(path: str) -> Pattern[str]:
    """A path as in a route, or with `*` at its end, as a pattern.

    Raises:
        ConfigError: it is no such path.
    """
    from starlette.routing import compile_path

    route = f"{path[:-1]}{{rest_:path}}" if path.endswith("*") else path
    try:
        return compile_path(route)[0]
    except (AssertionError, ValueError) as error:
        raise ConfigError(f"the path {path!r} is no pattern of a route: {error}") from None
