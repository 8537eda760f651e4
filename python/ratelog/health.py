"""The state of a limiter."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime


State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True)
class ShardHealth:
    """The state of one shard of a cluster: of the node that owns its hash slots."""

    address: str
    """The node's address, `host:port`."""
    state: State
    """The state of the shard's circuit breaker; `closed` while the node is available."""
    since: datetime
    """When the node became available or unavailable."""
    backend: Literal["module", "script"]
    """Decides checks while the breaker is closed."""
    last_error: str | None
    """The last error of a check or a probe, even after the node recovered."""
    opened: int
    """How often the breaker opened."""
    tracking: bool
    """Whether the node invalidates cached denials when a key changes (`CLIENT TRACKING`)."""
    unanswered: int
    """Checks that the node did not answer in time while the circuit was closed."""


@dataclass(frozen=True)
class Health:
    """The state of a limiter at one moment."""

    state: State
    """The circuit breaker's state; `closed` while the server is available. Always `closed` without a server.

    In a cluster each shard has a breaker: `closed` if all of them are, otherwise the state of the shard that became
    unavailable first."""
    since: datetime
    """When the server became available or unavailable. In a cluster: all shards, or the first one that is
    unavailable."""
    backend: Literal["module", "script", "local"]
    """Decides checks while the breaker is closed. In a cluster: `script` if a shard lacks the module."""
    fallback: Literal["local", "allow", "deny"]
    """Decides checks while the breaker is not closed."""
    last_error: str | None
    """The last error of a check or a probe, even after the server recovered. In a cluster: of an unavailable shard, if
    there is one."""
    opened: int
    """How often the breaker opened. In a cluster: the breakers of all shards."""
    tracking: bool
    """Whether the server, or each shard of a cluster, invalidates cached denials when a key changes (`CLIENT
    TRACKING`)."""
    local_keys: int
    """Keys in the limiter of this process."""
    local_bytes: int
    """Memory of these keys, in bytes."""
    evicted: int
    """Keys that the limiter of this process evicted while they had units that counted."""
    unanswered: int
    """Checks that the server did not answer in time while the circuit was closed, and those of keys whose hash slot no
    node of a cluster owned. The fallback decided them."""
    problems: tuple[str, ...]
    """Mistakes of configuration that were found in the last five minutes, such as a policy that does not exist."""
    shards: tuple[ShardHealth, ...] = ()
    """The shards of a cluster, by address; empty for another server, and until a node of the cluster replies."""

    @property
    def serving(self) -> bool:
        """Whether requests are served. False only if the server, or each shard, is unavailable and `fallback` is
        `deny`."""
        states = [shard.state for shard in self.shards] or [self.state]
        return "closed" in states or self.fallback != "deny"

    def as_dict(self) -> dict[str, object]:
        """The fields for JSON, with `since` in ISO 8601."""
        return {
            **asdict(self),
            "problems": list(self.problems),
            "since": self.since.isoformat(),
            "shards": [{**asdict(shard), "since": shard.since.isoformat()} for shard in self.shards],
            "serving": self.serving,
        }
