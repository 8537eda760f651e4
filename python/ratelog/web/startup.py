"""Verifies the declared limits when an application starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .._core import Limits
from ..errors import ConfigError
from .cors import replaces_exposed_headers
from .misuse import authenticates, misplaced
from .registry import NO_PLAN_FUNCTION
from .route_table import endpoints_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from .limit import RateLimit
    from .registry import Registry


class Startup:
    """Connects to the server and finds the mistakes that would otherwise appear with the first requests."""

    def __init__(
        self,
        registry: Registry,
        connect: Callable[[], Awaitable[None]],
        verify: Callable[[Collection[Limits], str], Awaitable[list[str]]],
        forget: Callable[[], None],
    ) -> None:
        """`verify` returns the problems that the server has with limits and a prefix of keys.

        `forget` removes the units of this process if there is no server.
        """
        self._running = 0
        self._forget = forget
        self._registry = registry
        self._connect = connect
        self._verify = verify

    async def run(self, app: Any = None, inner: Any = None) -> None:
        """Connects and verifies. `inner` is the application inside the limiter's middleware.

        Raises:
            ConfigError: there are mistakes; one line for each.
        """
        if self._registry.settings.enabled:
            await self._connect()
            self._warn_of_shared_prefix()
            self._warn_of_hidden_headers(app, inner)
            problems = await self._find_problems(app, inner)
            if problems:
                raise ConfigError("\n".join(problems))

    def _warn_of_hidden_headers(self, app: Any, inner: Any) -> None:
        replaced = replaces_exposed_headers(app, inner) if self._registry.settings.expose_headers else False
        if replaced:
            self._registry.warn_once(
                "expose_headers",
                "expose_headers of CORSMiddleware replaces those of the limiter: add RateLimit, RateLimit-Policy and "
                "Retry-After to it, or add CORSMiddleware before limiter.protect(app)",
            )

    def _warn_of_shared_prefix(self) -> None:
        prefix = self._registry.prefix
        if prefix.is_shared and not self._registry.settings.url.startswith("memory://"):
            self._registry.warn_once(
                "prefix",
                f"the keys have the default prefix {prefix.value!r}: services that share a server share limits, unless "
                "the setting prefix or the title of the application differs",
            )

    def added(self) -> None:
        """Forgets the units of this process when another application is added while none runs, as in tests."""
        if self._running == 0:
            self._forget()

    def started(self) -> None:
        """Counts an application that started. `stopped` is called once for it."""
        self._running += 1

    def stopped(self) -> None:
        """Forgets the units of this process when the last application stops: the next one does not inherit them."""
        self._running -= 1
        if self._running == 0:
            self._forget()

    async def _find_problems(self, app: Any, inner: Any) -> list[str]:
        registry = self._registry
        declared = [*registry.configured.limits, *registry.declared]
        limits = dict.fromkeys(rules for limit in declared for rules in _static_limits(limit))
        rejected = await self._verify(limits.keys(), registry.prefix.value)
        return [*dict.fromkeys(self._find_mistakes(declared, app, inner)), *rejected]

    def _find_mistakes(self, declared: Collection[RateLimit], app: Any, inner: Any) -> Iterator[str]:
        registry = self._registry
        is_late = authenticates(inner)
        for limit in declared:
            if not callable(limit.key):
                problem = registry.unknown_key(limit.key)
                if problem is not None:
                    yield problem
            if registry.is_early(limit) and registry.key_name(cast("str | None", limit.key)) == "user" and is_late:
                yield (
                    "AuthenticationMiddleware runs after the limiter, which finds no user for key='user': add it after "
                    "limiter.protect(app)"
                )
            if isinstance(limit.limits, Mapping) and not registry.has_plan_function:
                yield NO_PLAN_FUNCTION
        yield from self._find_misplaced(app)

    def _find_misplaced(self, app: Any) -> Iterator[str]:
        registry = self._registry
        apps = [*registry.apps, *([app] if app is not None else [])]
        routed = {id(endpoint) for one in apps for endpoint in endpoints_of(one)}
        for endpoint, wrapper in registry.decorated:
            if id(endpoint) in routed and id(wrapper) not in routed:
                yield misplaced(endpoint)
        for decorator in registry.decorators:
            if not decorator.is_used and id(decorator.endpoint) in routed:
                yield decorator.mistake

    def report_misplaced(self, app: Any) -> None:
        """Reports limits that have no effect, for an application whose lifespan does not run."""
        for mistake in self._find_misplaced(app):
            self._registry.problems.report(mistake)


def _static_limits(limit: RateLimit) -> Iterator[Limits]:
    """The limits that need no function."""
    if isinstance(limit.limits, Limits):
        yield limit.limits
    elif isinstance(limit.limits, Mapping):
        yield from limit.limits.values()
