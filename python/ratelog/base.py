"""The part that the asynchronous and the synchronous limiter share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, cast

from .check import LimitsLike, to_check, to_cost, to_key, to_limits
from .connection.client import address_in, check_client, is_cluster, options_of, user_of
from .connection.cluster_nodes import ClusterNodes
from .connection.target import Target
from .engine.cluster_engine import ClusterEngine
from .engine.commands import Command, parse_count
from .engine.engine import Engine
from .engine.overrides import Override, OverrideAction, parse_override, set_override_command
from .engine.reset_all import reset_all
from .errors import ConfigError
from .events import EventPublisher, Hook, SettingsReloaded
from .prefix import Prefix
from .settings import ENV_PREFIX, RELOADABLE, Settings, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Unpack

    from ._core import Decision
    from .engine.operation import Operation
    from .health import Health


class Options(TypedDict, total=False):
    """Settings as keyword arguments; see `ratelog.Settings`."""

    enabled: bool
    prefix: str
    default: LimitsLike | Sequence[str] | Mapping[str, LimitsLike]
    default_policy: str
    default_per_endpoint: LimitsLike | Sequence[str] | Mapping[str, LimitsLike]
    key: str
    exempt: Sequence[str]
    exempt_defaults: bool
    count_preflight: bool
    endpoints: Sequence[Mapping[str, object]]
    trusted_proxies: Sequence[str]
    proxy_header: str
    api_key_header: str
    headers: str
    expose_headers: bool
    openapi_description: bool
    fallback: str
    instances: int
    local_max_bytes: int
    policies: Mapping[str, LimitsLike]
    deny_cache: int
    backend: str
    timeout: float
    connect_timeout: float
    failure_threshold: int
    probe_min_interval: float
    probe_max_interval: float
    max_connections: int


class BaseLimiter:
    """Settings, and an engine that decides checks by them."""

    _IS_ASYNC: ClassVar[bool]

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        config: str | os.PathLike[str] | None = None,
        hooks: Sequence[Hook] = (),
        **options: Unpack[Options],
    ) -> None:
        """Creates a limiter for the servers of `url`, or for `client`, an existing client of redis-py.

        Settings that you do not pass come from the environment (`RATELOG_TIMEOUT`), then from the TOML file `config` or
        the file that `RATELOG_CONFIG` names. The server may be unavailable: the setting `fallback` decides until it
        recovers.

        Raises:
            ConfigError: a setting is invalid. The message names the place, the key and the expected value.
        """
        arguments = cast("dict[str, Any]", {**options, **({} if url is None else {"url": url})})
        self._config = config
        self._arguments = arguments
        self._settings: Settings = load(config, **arguments)
        if client is not None:
            check_client(client, is_async=self._IS_ASYNC)
        self._client = client
        self._target = Target.parse(self.settings.url)
        kind = "single" if client is not None else self._target.kind
        user = self._target.user if client is None else user_of(client)
        self._nodes: ClusterNodes | None = None
        if client is None and kind == "cluster":
            self._nodes = ClusterNodes.of_target(self._target)
        elif client is not None and is_cluster(client):
            self._nodes = ClusterNodes.of_client(client)
        self._prefix = Prefix(self.settings.prefix)
        self._events = EventPublisher(hooks)
        self._engine: Engine
        if self._nodes is not None:
            self._engine = ClusterEngine(self.settings, self._events, seeds=self._nodes.seeds, user=user)
        else:
            server = self._target.address if client is None else address_in(options_of(client))
            self._engine = Engine(
                self.settings, self._events, remote=kind != "memory", cluster=False, user=user, server=server
            )
        self._report_health = self._engine.health

    def __setattr__(self, name: str, value: object) -> None:
        """Sets an attribute.

        Raises:
            AttributeError: limiters have no such attribute. Settings are arguments or environment variables.
        """
        if name.startswith("_") or hasattr(type(self), name):
            super().__setattr__(name, value)
        elif name in Settings.model_fields:
            kind = type(self).__name__
            variable = f"{ENV_PREFIX}{name.upper()}"
            raise AttributeError(f"{name} is a setting: pass {kind}({name}=...), or set {variable} and call reload()")
        else:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def settings(self) -> Settings:
        """The settings. They change with `reload`."""
        return self._settings

    @property
    def prefix(self) -> str:
        """The prefix of all Redis keys of this limiter.

        That of the settings; if they have none, `ratelog:` and the title of the protected application, such as
        `ratelog:shop-api`, and `ratelog` without a title.
        """
        return self._prefix.value

    def health(self) -> Health:
        """Returns the state of the limiter and its server."""
        return self._report_health()

    def reload(self) -> None:
        """Reads the environment and the file again.

        Limits, keys, exempt paths, proxies and headers change at once. Recorded units stay.

        Raises:
            ConfigError: a setting is invalid, or a setting changed that cannot change while the limiter runs (those of
                the server and of failures). No setting changes in this case.
        """
        settings = load(self._config, **self._arguments)
        for name in Settings.model_fields:
            if name not in RELOADABLE and getattr(settings, name) != getattr(self.settings, name):
                raise ConfigError(f"{name}: this setting cannot change while the limiter runs")
        self._apply(settings)
        self._settings = settings
        self._engine.enabled = settings.enabled
        source = str(self._config or os.environ.get("RATELOG_CONFIG", "environment"))
        self._events.log_and_publish(SettingsReloaded(source))

    def _apply(self, settings: Settings) -> None:
        """Applies reloaded settings. Raises `ConfigError` and changes nothing if they are invalid."""

    def _check_in_process(self, key: str | bytes, limits: LimitsLike, cost: int) -> Decision | None:
        """Decides a check that needs no server, hook or policy; `None` for other checks.

        `_check` would return the same decision, but running an operation costs more than the decision itself.
        """
        if self._engine.remote or self._events.has_hooks or not self._engine.enabled:
            return None
        rules = to_limits(limits)
        return self._engine.local.check(self._key(key), rules, to_cost(cost)) if rules.policy is None else None

    def _check(self, key: str | bytes, limits: LimitsLike, cost: int) -> Operation[Decision]:
        return _not_none((yield from self._engine.decide([to_check(self._key(key), limits, cost)])))[0]

    def _peek(self, key: str | bytes, limits: LimitsLike, cost: int) -> Operation[Decision]:
        return _not_none((yield from self._engine.check([to_check(self._key(key), limits, cost)], record=False)))[0]

    def _mcheck(self, checks: Sequence[tuple[str | bytes, LimitsLike]], cost: int) -> Operation[list[Decision]]:
        parsed = [to_check(self._key(key), limits, cost) for key, limits in checks]
        if not parsed:
            raise ValueError("mcheck needs at least one key")
        return _not_none((yield from self._engine.decide(parsed, use_deny_cache=False)))

    def _refund(self, key: str | bytes, cost: int) -> Operation[int]:
        return (yield from self._engine.refund(self._key(key), to_cost(cost)))

    def _reset(self, key: str | bytes) -> Operation[int]:
        return (yield from self._engine.reset(self._key(key)))

    def _reset_all(self) -> Operation[int]:
        return (yield from reset_all(self._engine, self.prefix))

    def _key(self, key: str | bytes) -> bytes:
        """Returns the Redis key for a key of the program: `ratelog:user:42`."""
        return self._prefix.start + to_key(key)

    def _set_override(
        self, key: str | bytes, action: OverrideAction, limits: LimitsLike | None, ttl: float | None
    ) -> Operation[None]:
        name = self._key(key)
        command = set_override_command(name, action, limits, ttl)
        yield from self._engine.execute_module_command("an override", command, name)

    def _get_override(self, key: str | bytes) -> Operation[Override | None]:
        command: Command = ("RL.OVERRIDE", "GET", self._key(key))
        return parse_override((yield from self._engine.execute_module_command("an override", command)))

    def _del_override(self, key: str | bytes) -> Operation[bool]:
        name = self._key(key)
        command: Command = ("RL.OVERRIDE", "DEL", name)
        return parse_count((yield from self._engine.execute_module_command("an override", command, name))) == 1


def _not_none(decisions: Sequence[Decision | None]) -> list[Decision]:
    return [decision for decision in decisions if decision is not None]
