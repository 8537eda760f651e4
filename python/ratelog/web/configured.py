"""The limits of the settings: the defaults, endpoints and exempt paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError
from .limit import RateLimit

if TYPE_CHECKING:
    from ..settings import Settings

ALL = "*"
"""The scope of the defaults, and all methods of an endpoint."""


class ConfiguredEndpoint(NamedTuple):
    """An endpoint of the settings."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    tags: frozenset[str]
    limit: RateLimit | None
    """`None` if the endpoint is exempt."""
    scope: str


class ConfiguredLimits:
    """The limits of one version of the settings."""

    def __init__(self, settings: Settings) -> None:
        limits, per_endpoint = settings.effective_default, settings.default_per_endpoint
        self.default = None if limits is None else RateLimit.create(limits)
        self.default_per_endpoint = None if per_endpoint is None else RateLimit.create(per_endpoint)
        for path in settings.exempt:
            if not path.startswith("/"):
                raise ConfigError(f"exempt: expected a path that begins with '/', not {path!r}")
        exempt = settings.effective_exempt
        self._exempt_paths = frozenset(path for path in exempt if not _is_pattern(path))
        self._exempt_patterns = [compile_path(path) for path in exempt if _is_pattern(path)]
        self.exempts_docs = settings.exempt_defaults
        """Whether the pages of an application's documentation are exempt."""
        self._endpoints = [
            ConfiguredEndpoint(
                frozenset(method.upper() for method in endpoint.methods),
                compile_path(endpoint.path),
                frozenset(endpoint.tags),
                None
                if endpoint.effective_limits is None
                else RateLimit.create(
                    endpoint.effective_limits,
                    key=endpoint.key,
                    cost=endpoint.cost,
                    scope=endpoint.scope,
                    override_defaults=endpoint.override_defaults,
                ),
                # An endpoint in code may have the same methods and path.
                "settings:"
                + " ".join([",".join(sorted(endpoint.methods)) or ALL, endpoint.path, *sorted(endpoint.tags)]),
            )
            for endpoint in settings.endpoints
        ]

    @property
    def limits(self) -> list[RateLimit]:
        """All limits."""
        limits = [self.default, self.default_per_endpoint, *(endpoint.limit for endpoint in self._endpoints)]
        return [limit for limit in limits if limit is not None]

    @property
    def has_plans(self) -> bool:
        """Whether limits depend on the plan."""
        return any(isinstance(limit.limits, Mapping) for limit in self.limits)

    def is_exempt(self, path: str) -> bool:
        """Whether the path is exempt."""
        return path in self._exempt_paths or any(pattern.fullmatch(path) for pattern in self._exempt_patterns)

    def endpoint(self, method: str, path: str, tags: frozenset[str]) -> ConfiguredEndpoint | None:
        """Returns the first endpoint that matches. `tags` are those of the route."""
        # Matches all requests that reach a GET route: also HEAD, and a path with a line feed at the end.
        methods = {method.upper(), "GET"} if method.upper() == "HEAD" else {method.upper()}
        for endpoint in self._endpoints:
            if (
                (not endpoint.methods or methods & endpoint.methods)
                and (not endpoint.tags or tags & endpoint.tags)
                and endpoint.pattern.match(path)
            ):
                return endpoint
        return None


def _is_pattern(path: str) -> bool:
    return "{" in path or "*" in path


def compile_path(path: str) -> re.Pattern[str]:
    """Compiles a path as in a route, which may end in `*`.

    Raises:
        ConfigError: the path is invalid.
    """
    from starlette.routing import compile_path as compile_route

    route = f"{path[:-1]}{{rest_:path}}" if path.endswith("*") else path
    if "*" in route:
        raise ConfigError(f"invalid path {path!r}: '*' is allowed at the end only")
    try:
        pattern, _, parameters = compile_route(route)
    except (AssertionError, ValueError) as error:
        raise ConfigError(f"invalid path {path!r}: {error}") from None
    if not len(parameters) == route.count("{") == route.count("}"):
        raise ConfigError(f"invalid path {path!r}: unbalanced braces")
    # The value of a parameter may contain a line feed.
    return re.compile(pattern.pattern, re.DOTALL)
