"""The functions that a program registers on a limiter, with the settings that apply to requests."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigError
from ..events import logger
from .callables import has_dependencies, maybe_await
from .configured import ConfiguredLimits
from .keys import BUILT_IN, BuiltInKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

    from ..events import EventPublisher
    from ..prefix import Prefix
    from ..problems import Problems
    from ..settings import Settings
    from .limit import RateLimit
    from .misuse import LimitDecorator
    from .types import DenialHandler, KeyFunction, PlanFunction, Scope

NO_PLAN_FUNCTION = "limits by plan need a plan function: register it with @limiter.plan"
MAX_DECLARED = 10_000
MAX_WARNINGS = 1000
"""A program may create limits for each request, so the number of remembered warnings is bounded."""


class Registry:
    """The plan function, the named keys, the denial handler and the settings."""

    def __init__(self, settings: Settings, prefix: Prefix, events: EventPublisher, problems: Problems) -> None:
        self.prefix = prefix
        self.problems = problems
        self.log_denial = events.log_denial
        self.plan_was_needed = False
        """Whether FastAPI has analysed a limit by plan before a plan function with dependencies was registered."""
        self._warned: set[str] = set()
        self._plan_function: PlanFunction | None = None
        self.denial_handler: DenialHandler | None = None
        self._key_functions: dict[str, KeyFunction] = {}
        self.apps: list[Any] = []
        """The protected applications."""
        self.declared: list[RateLimit] = []
        """The limits in code, at most `MAX_DECLARED` of them: a program may create limits for each request."""
        self.decorators: deque[LimitDecorator] = deque(maxlen=MAX_DECLARED)
        self.decorated: deque[tuple[Callable[..., Any], Callable[..., Any]]] = deque(maxlen=MAX_DECLARED)
        """Endpoints and their limited versions."""
        self.revision: object = None
        """A new object after each change: limits that were resolved before it are outdated."""
        self.apply(settings)

    @property
    def plan_dependency(self) -> PlanFunction | None:
        """The plan function, if FastAPI has to call it."""
        function = self._plan_function
        return function if function is not None and has_dependencies(function) else None

    def apply(self, settings: Settings) -> None:
        """Applies settings. Raises `ConfigError` and changes nothing if they are invalid."""
        self._built_in_keys, self.configured, self.settings = (
            BuiltInKeys(settings),
            ConfiguredLimits(settings),
            settings,
        )
        self.revision = object()

    def register_plan(self, function: PlanFunction) -> None:
        """Registers the plan function.

        Raises:
            ConfigError: the function has dependencies, but limits of the settings depend on the plan, which are checked
                before FastAPI resolves dependencies; or it is registered below an endpoint that needs it.
        """
        if has_dependencies(function) and self.plan_was_needed:
            raise ConfigError(f"register the plan function {function.__qualname__} above the endpoints that need it")
        if has_dependencies(function) and self.configured.has_plans:
            raise ConfigError(
                f"the plan function {function.__qualname__} must take the connection only: the limits of the settings "
                "are checked before FastAPI resolves dependencies"
            )
        self._plan_function = function
        self.revision = object()

    @property
    def has_plan_function(self) -> bool:
        """Whether there is a plan function."""
        return self._plan_function is not None

    def register_key(self, name: str, function: KeyFunction) -> None:
        """Registers a named key.

        Raises:
            TypeError: the function takes more than the connection.
        """
        if has_dependencies(function):
            raise TypeError(f"the key {name!r} must take the connection only: its dependencies would not be resolved")
        self._key_functions[name] = function
        self.revision = object()

    def declare(self, limit: RateLimit) -> None:
        """Remembers a limit, which is verified when the application starts."""
        if len(self.declared) < MAX_DECLARED:
            self.declared.append(limit)

    def key_name(self, name: str | None) -> str:
        """Returns the name of a key; `None` names the key of the settings."""
        return self.settings.key if name is None else name

    def is_early(self, limit: RateLimit) -> bool:
        """Whether a limit of an endpoint depends on nothing that runs before the endpoint, so that it can be checked
        together with the defaults.
        """
        if limit.has_functions:
            return False
        name = self.key_name(cast("str | None", limit.key))
        return self.is_built_in(name)

    def is_built_in(self, name: str | None) -> bool:
        """Whether a key is built in and no function of the program replaces it."""
        return name in BUILT_IN and name not in self._key_functions

    def key(self, name: str | None, connection: HTTPConnection) -> Any:
        """Returns the named key of a connection, which may be an awaitable. `None` names the key of the settings."""
        name = self.key_name(name)
        function = self._key_functions.get(name)
        if function is not None:
            return function(connection)
        if name not in BUILT_IN:
            self.problems.report(f"{self.unknown_key(name)}; requests are counted by client address")
            name = "ip"
        return self.built_in_key(name)(connection.scope)

    def built_in_key(self, name: str) -> Callable[[Scope], str]:
        """Returns the function of a built-in key. The next revision may have another."""
        function: Callable[[Scope], str] = getattr(self._built_in_keys, name)
        return self._user if name == "user" else function

    def _user(self, scope: Scope) -> str:
        if scope.get("user") is None:
            self.warn_once(
                "user",
                "key='user' finds no user, so the address is counted: add an authentication middleware after "
                "limiter.protect(app), or set scope['user'] before",
            )
        return self._built_in_keys.user(scope)

    def unknown_key(self, name: str | None) -> str | None:
        """Returns the error if there is no key of this name; `None` names the key of the settings."""
        name = self.key_name(name)
        if name in BUILT_IN or name in self._key_functions:
            return None
        return f"there is no key named {name!r}: expected ip, api_key, user, or a name registered with limiter.key"

    async def plan(self, connection: HTTPConnection) -> str | None:
        """Returns the plan of a connection."""
        function = self._plan_function
        if function is None:
            self.problems.report(f"{NO_PLAN_FUNCTION}; every request has the limits of the first plan")
            return None
        plan: str | None = await maybe_await(function(connection))
        return plan

    def warn_once(self, subject: str, message: str) -> None:
        """Logs a warning about a subject, unless there was one."""
        if subject not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add(subject)
            logger.warning(message)
