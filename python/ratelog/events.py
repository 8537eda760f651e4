"""Events of a limiter: one log line each, and the same event for your hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from .log_sampler import LogSampler

if TYPE_CHECKING:
    from ._core import Decision
    from .check import Check

logger = logging.getLogger("ratelog")

CIRCUIT_OPEN = "circuit_open"
"""The type of error of a check that was not sent because the circuit breaker is open."""


@dataclass(frozen=True)
class CheckCompleted:
    """A check was decided."""

    checks: Sequence[Check]
    decisions: Sequence[Decision | None]
    """One decision per check; `None` if a cached denial of another check made it unnecessary."""
    seconds: float
    errors: Mapping[Check, str] = field(default_factory=dict)
    """The checks that the fallback decided because of an error, each with the type of the error.

    The type is the name of an exception with its module, such as `redis.exceptions.TimeoutError`. It is `circuit_open`
    if the check was not sent, because the circuit breaker is open.
    """

    @property
    def allowed(self) -> bool:
        """Whether no check was denied."""
        return all(decision is None or decision.allowed for decision in self.decisions)


@dataclass(frozen=True)
class ServerUnavailable:
    """The server is unavailable. Checks are decided as the setting `fallback` says.

    In a cluster, each shard has events of its own; the checks of the other shards are not concerned.
    """

    error: str
    fallback: str
    server: str = ""
    """The server's address, `host:port`, or the path of its socket; empty if it is unknown."""


@dataclass(frozen=True)
class ServerRecovered:
    """The server is available again. In a cluster, after a failover: other servers serve the slots of a lost shard."""

    downtime: float
    """Seconds."""
    backend: str
    """`module` or `script`."""
    server: str = ""
    """As in `ServerUnavailable`: the server that was unavailable."""


@dataclass(frozen=True)
class SettingsReloaded:
    """The settings were read again."""

    source: str


Event = CheckCompleted | ServerUnavailable | ServerRecovered | SettingsReloaded
Hook = Callable[[Event], object]

_LOG_NAMES: dict[type, str] = {
    ServerUnavailable: "server_unavailable",
    ServerRecovered: "server_recovered",
    SettingsReloaded: "settings_reloaded",
}


class EventPublisher:
    """Writes events to the log and passes them to hooks. Logs the exception of a hook and continues."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self._hooks = tuple(hooks)
        self._denials = LogSampler(burst=10, interval=1.0)
        self._unanswered = LogSampler(burst=1, interval=10.0)

    @property
    def has_hooks(self) -> bool:
        """Whether there is a hook."""
        return bool(self._hooks)

    def add_hook(self, hook: Hook) -> None:
        """Passes later events to one more hook."""
        self._hooks = (*self._hooks, hook)

    def publish(self, event: Event) -> None:
        """Passes an event to the hooks only."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("a hook of the limiter failed")

    def log_and_publish(self, event: ServerUnavailable | ServerRecovered | SettingsReloaded) -> None:
        """Logs an event as `server_unavailable error=... fallback=... server=...` and passes it to the hooks.

        The log record has the same fields in its attribute `ratelog`.
        """
        name = _LOG_NAMES[type(event)]
        fields = asdict(event)
        text = " ".join(f"{key}={value!r}" for key, value in fields.items())
        level = logging.INFO if isinstance(event, SettingsReloaded) else logging.WARNING
        logger.log(level, "%s %s", name, text, extra={"ratelog": {"event": name, **fields}})
        self.publish(event)

    def log_denial(self, check: Check, decision: Decision) -> None:
        """Logs a denied check: at most ten a second, with the number of those that were left out before."""
        suppressed = self._denials.admit() if logger.isEnabledFor(logging.INFO) else None
        if suppressed is None:
            return
        key = check.key.decode(errors="replace")
        logger.info(
            "denied key=%r limit=%d window_ms=%d retry_after_ms=%s source=%s suppressed=%d",
            *(key, decision.limit, decision.window_ms, decision.retry_after_ms, decision.source, suppressed),
            extra={"ratelog": {"event": "denied", "key": key, "source": decision.source, "suppressed": suppressed}},
        )

    def log_unanswered(self, error: str, total: int, server: str) -> None:
        """Logs a check that the fallback decided while the circuit is closed: at most once in ten seconds."""
        if self._unanswered.admit() is not None:
            logger.warning(
                "unanswered error=%r total=%d server=%r",
                *(error, total, server),
                extra={"ratelog": {"event": "unanswered", "error": error, "total": total, "server": server}},
            )


def log_unknown_policy(policy: str) -> None:
    """Warns that checks are allowed because the server is unavailable and their policy is unknown."""
    logger.warning(
        "unknown_policy policy=%r decision='allow'",
        policy,
        extra={"ratelog": {"event": "unknown_policy", "policy": policy, "decision": "allow"}},
    )
