"""What the asynchronous and the synchronous limiter have in common."""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypedDict, cast

from .check import Check, LimitsLike, check_of, cost_of, key_of, limits_of
from .connection.target import Flavour, Target
from .engine.commands import Command, read_count
from .engine.engine import Engine
from .engine.overrides import Override, OverrideAction, read_override, set_command
from .errors import ConfigError
from .events import Announcer, Checked, Hook, Reloaded
from .settings import RELOADABLE, Settings, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Unpack

    from ._core import Decision
    from .engine.operation import Flow
    from .health import Health


class Options(TypedDict, total=False):
    """Settings as arguments; see `ratelog.Settings`."""

    prefix: str
    default: LimitsLike | Sequence[str] | Mapping[str, LimitsLike]
    default_policy: str
    key: str
    exempt: Sequence[str]
    endpoints: Sequence[Mapping[str, object]]
    trusted_proxies: Sequence[str]
    proxy_field: str
    api_key_header: str
    headers: str
    on_failure: str
    instances: int
    local_max_bytes: int
    policies: Mapping[str, LimitsLike]
    deny_cache: int
    backend: str
    timeout: float
    connect_timeout: float
    failures: int
    probe_min: float
    probe_max: float
    pool_size: int


class Limiter:
    """Settings, and an engine that decides by them."""

    _flavour: Flavour

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        config: str | os.PathLike[str] | None = None,
        hooks: Sequence[Hook] = (),
        **options: Unpack[Options],
    ) -> None:
        """A limiter of the servers that `url` names, or of `client`, a client of redis-py that is used as it is.

        What is not given comes from the environment (`RATELOG_TIMEOUT`), then from the TOML file `config`, or the one
        that `RATELOG_CONFIG` names. A server that is away is no error: `on_failure` says what is done until it is
        there.

        Raises:
            ConfigError: a setting is wrong; the text names where it was set, its key, and what was expected.
        """
        given = cast("dict[str, Any]", {**options, **({} if url is None else {"url": url})})
        self._config = config
        self._given = given
        self.settings: Settings = load(config, **given)
        self._client = client
        self._target = Target.parse(self.settings.url)
        kind = "single" if client is not None else self._target.kind
        cluster = kind == "cluster" or (client is not None and "Cluster" in type(client).__name__)
        self._announcer = Announcer(hooks)
        self._engine = Engine(self.settings, self._announcer, remote=kind != "memory", cluster=cluster)

    def health(self) -> Health:
        """How the limiter gets on with its server."""
        return self._engine.health()

    def reload(self) -> None:
        """Reads environment and file again. Limits, keys, exempt paths, proxies and headers change at once; what was
        counted stays.

        Raises:
            ConfigError: a setting is wrong, or is one that cannot change while running (those of servers and failures).
                Nothing changes then.
        """
        settings = load(self._config, **self._given)
        for name in Settings.model_fields:
            if name not in RELOADABLE and getattr(settings, name) != getattr(self.settings, name):
                raise ConfigError(f"{name}: this cannot change while running")
        before, self.settings = self.settings, settings
        try:
            self._reloaded()
        except ConfigError:
            self.settings = before
            raise
        self._announcer.state(Reloaded(str(self._config or os.environ.get("RATELOG_CONFIG", "environment"))))

    def _reloaded(self) -> None:
        """The settings are others."""

    def _decide(self, checks: Sequence[Check], *, recall: bool = True) -> Flow[list[Decision | None]]:
        """A decision each, told to the hooks. `None` only where `recall` lets a remembered denial decide them all."""
        flow = self._engine.check(checks, recall=recall)
        return self._told(flow, checks) if self._announcer.has_hooks else flow

    def _told(self, flow: Flow[list[Decision | None]], checks: Sequence[Check]) -> Flow[list[Decision | None]]:
        began = perf_counter()
        decisions = yield from flow
        self._announcer.checked(Checked(checks, decisions, perf_counter() - began))
        return decisions

    def _at_once(self, key: str | bytes, limits: LimitsLike, cost: int) -> Decision | None:
        """The decision of a check that needs neither server, nor hooks, nor policies; `None` for others. A flow would
        come to the same, and cost more than the decision."""
        if self._engine.remote or self._announcer.has_hooks:
            return None
        rules = limits_of(limits)
        return self._engine.local.check(key_of(key), rules, cost_of(cost)) if rules.policy is None else None

    def _check(self, key: str | bytes, limits: LimitsLike, cost: int) -> Flow[Decision]:
        return _decided((yield from self._decide([check_of(key, limits, cost)])))[0]

    def _peek(self, key: str | bytes, limits: LimitsLike, cost: int) -> Flow[Decision]:
        return _decided((yield from self._engine.check([check_of(key, limits, cost)], records=False)))[0]

    def _mcheck(self, checks: Sequence[tuple[str | bytes, LimitsLike]], cost: int) -> Flow[list[Decision]]:
        asked = [check_of(key, limits, cost) for key, limits in checks]
        if not asked:
            raise ValueError("a check of several keys needs at least one")
        return _decided((yield from self._decide(asked, recall=False)))

    def _refund(self, key: str | bytes, cost: int) -> Flow[int]:
        return (yield from self._engine.refund(key_of(key), cost_of(cost)))

    def _reset(self, key: str | bytes) -> Flow[int]:
        return (yield from self._engine.reset(key_of(key)))

    def _set_override(
        self, key: str | bytes, action: OverrideAction, limits: LimitsLike | None, ttl: float | None
    ) -> Flow[None]:
        name = key_of(key)
        yield from self._engine.manage("an override", set_command(name, action, limits, ttl), name)

    def _get_override(self, key: str | bytes) -> Flow[Override | None]:
        command: Command = ("RL.OVERRIDE", "GET", key_of(key))
        return read_override((yield from self._engine.manage("an override", command)))

    def _del_override(self, key: str | bytes) -> Flow[bool]:
        name = key_of(key)
        reply = yield from self._engine.manage("an override", ("RL.OVERRIDE", "DEL", name), name)
        return read_count(reply) == 1


def _decided(decisions: Sequence[Decision | None]) -> list[Decision]:
    return [decision for decision in decisions if decision is not None]
