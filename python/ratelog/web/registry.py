"""The functions that a program registers on a limiter, with the settings that apply to requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .callables import has_dependencies, maybe_await
from .configured import ConfiguredLimits
from .keys import BUILT_IN, BuiltInKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

    from ..settings import Settings
    from .types import KeyFunction, PlanFunction


class Registry:
    """The plan function, the named keys, the denial handler and the settings."""

    def __init__(self, settings: Settings) -> None:
        self.plan_function: PlanFunction | None = None
        self.denial_handler: Callable[[HTTPConnection, Any], Any] | None = None
        self._key_functions: dict[str, KeyFunction] = {}
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Applies settings. Raises `ConfigError` and changes nothing if they are invalid."""
        self._built_in_keys, self.configured, self.settings = (
            BuiltInKeys(settings),
            ConfiguredLimits(settings),
            settings,
        )

    def register_key(self, name: str, function: KeyFunction) -> None:
        """Registers a named key.

        Raises:
            TypeError: the function takes more than the connection.
        """
        if has_dependencies(function):
            raise TypeError(f"the key {name!r} must take the connection only: its dependencies would not be resolved")
        self._key_functions[name] = function

    def key(self, name: str | None, connection: HTTPConnection) -> Any:
        """Returns the named key of a connection, which may be an awaitable. `None` names the key of the settings."""
        if name is None:
            name = self.settings.key
        function = self._key_functions.get(name)
        if function is not None:
            return function(connection)
        if name not in BUILT_IN:
            raise ConfigError(
                f"there is no key named {name!r}: expected ip, api_key, user, or a name registered with limiter.key"
            )
        return getattr(self._built_in_keys, name)(connection.scope)

    async def plan(self, connection: HTTPConnection) -> str | None:
        """Returns the plan of a connection."""
        if self.plan_function is None:
            raise ConfigError("limits by plan need a plan function: register it with @limiter.plan")
        plan: str | None = await maybe_await(self.plan_function(connection))
        return plan
