"""Which limits are on a request: the defaults, those of the configuration, and those of its endpoint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError
from .limit import Applied, RateLimit
from .routes import Endpoint, Routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..settings import Settings
    from .registry import Declarations
    from .types import Scope

ALL = "*"
"""The scope of the defaults."""

MAX_REMEMBERED = 4096
LONGEST_REMEMBERED = 256
"""Requests and paths of so many characters, of which plans are remembered: strangers choose them."""


class Configured(NamedTuple):
    """An endpoint of the configuration."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    limit: RateLimit | None
    scope: str


class Plan(NamedTuple):
    """What is on a request before the application sees it."""

    applied: Sequence[Applied]
    exempt: bool = False
    declared: Sequence[Applied] = ()
    """What is on the endpoint itself, late keys among them."""
    name: str | None = None
    """The endpoint, if there is one that is known."""


UNKNOWN = Plan(())
"""The plan where nobody knows the application."""


class Rulebook:
    """What the settings say of paths; made anew when they are read again."""

    def __init__(self, settings: Settings, limiter: Declarations) -> None:
        terms = settings.default_terms
        self.default = None if terms is None else RateLimit(limiter, terms)
        for path in settings.exempt:
            if not path.startswith("/"):
                raise ConfigError(f"exempt: expected a path that begins with '/', not {path!r}")
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
        # What reaches a route is to match, too: HEAD where there is GET, and a line feed at the end.
        methods = {method.upper(), "GET"} if method.upper() == "HEAD" else {method.upper()}
        for endpoint in self._configured:
            if (not endpoint.methods or methods & endpoint.methods) and endpoint.pattern.match(path):
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
        method = method_of(scope)
        place = (method, path, scope.get("root_path", ""))
        has_overrides = bool(getattr(self.app, "dependency_overrides", ()))
        known = None if has_overrides else self._plans.get(place)
        if known is not None and known[0] is rulebook:
            return known[1]
        plan = self._made(rulebook, method, path, scope)
        if not has_overrides and self.routes.go_by_path and sum(map(len, place)) <= LONGEST_REMEMBERED:
            if len(self._plans) >= MAX_REMEMBERED:
                self._plans.clear()
            self._plans[place] = (rulebook, plan)
        return plan

    def own(self, scope: Scope) -> Plan:
        """What is on the endpoint that serves the request by now."""
        # Mounts have moved the root of the path, perhaps that of the application itself.
        below = scope.get("root_path", "")
        for root in dict.fromkeys((below, scope.get("app_root_path", below))):
            there = {**scope, "root_path": root}
            endpoint = self.routes.find(there)
            if endpoint is not None and endpoint.target is scope.get("endpoint"):
                return self._own(there, endpoint)
        return self._own({**scope, "root_path": scope.get("app_root_path", below)}, None)

    def _own(self, scope: Scope, endpoint: Endpoint | None) -> Plan:
        path = path_of(scope)
        rulebook = self._limiter.rulebook
        configured = rulebook.configured(method_of(scope), path)
        if (
            rulebook.is_exempt(path)
            or (endpoint is not None and endpoint.exempt)
            or (configured is not None and configured.limit is None)
        ):
            return Plan((), exempt=True)
        return Plan((), declared=self._declared(endpoint), name=None if endpoint is None else endpoint.name)

    def _made(self, rulebook: Rulebook, method: str, path: str, scope: Scope) -> Plan:
        own = self._own(scope, self.routes.find(scope))
        if own.exempt:
            return own
        applied = [one for one in own.declared if one.limit.late_key is None]
        configured = rulebook.configured(method, path)
        if configured is not None and configured.limit is not None:
            scopes = [one.scope for one in own.declared]
            applied.append(Applied(configured.limit, unlike(configured.limit.scope or configured.scope, scopes)))
        overridden = any(one.limit.override_defaults for one in (*own.declared, *applied))
        if rulebook.default is not None and not overridden:
            applied.insert(0, Applied(rulebook.default, ALL))
        return own._replace(applied=tuple(applied))

    def _declared(self, endpoint: Endpoint | None) -> tuple[Applied, ...]:
        if endpoint is None:
            return ()
        applied: list[Applied] = []
        for limit in endpoint.limits:
            if limit.limiter is self._limiter:
                scopes = [one.scope for one in applied]
                applied.append(Applied(limit, unlike(limit.scope or endpoint.name, scopes)))
        return tuple(applied)


def method_of(scope: Scope) -> str:
    """The method, as the configuration names it."""
    method: str = scope.get("method", "WEBSOCKET")
    return method


def path_of(scope: Scope) -> str:
    """The path within the application."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    rest = path.removeprefix(root)
    return rest or "/" if not rest or rest.startswith("/") else path


def unlike(scope: str, others: Sequence[str]) -> str:
    """A scope that none of the others is, nor that of the defaults: limits of one request do not count in each other's
    logs."""
    return scope if scope != ALL and scope not in others else unlike(f"{scope}#", others)


def _is_pattern(path: str) -> bool:
    return "{" in path or "*" in path


def compiled(path: str) -> re.Pattern[str]:
    """A path as in a route, or with `*` at its end, as a pattern.

    Raises:
        ConfigError: it is no such path.
    """
    from starlette.routing import compile_path

    route = f"{path[:-1]}{{rest_:path}}" if path.endswith("*") else path
    if "*" in route:
        raise ConfigError(f"the path {path!r} is no pattern of a route: '*' stands at its end")
    try:
        pattern, _, parameters = compile_path(route)
    except (AssertionError, ValueError) as error:
        raise ConfigError(f"the path {path!r} is no pattern of a route: {error}") from None
    if not len(parameters) == route.count("{") == route.count("}"):
        raise ConfigError(f"the path {path!r} is no pattern of a route: a brace without its parameter")
    # A parameter of a route may have a line feed in it, and so may the rest of a path here.
    return re.compile(pattern.pattern, re.DOTALL)
