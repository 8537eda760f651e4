"""One shard of a cluster: the node that owns some of the hash slots."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ..health import ShardHealth
from .engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable


class Shard(Engine):
    """The engine of one node, with a circuit breaker of its own.

    All shards of a cluster share the limiter of this process, the policies, the deny cache and the problems.
    """

    def __init__(self, cluster: Engine, address: str, *, user: str, on_lost: Callable[[], None]) -> None:
        """`on_lost` is called when the node becomes unavailable, and after each failed probe."""
        super().__init__(
            cluster.settings,
            cluster.events,
            remote=True,
            cluster=True,
            user=user,
            server=address,
            shared=cluster,
        )
        self.enabled = True  # the cluster's engine makes no checks if the limiter is disabled
        self.address = address
        self._on_lost = on_lost

    @property
    def is_available(self) -> bool:
        """Whether the node answers commands."""
        return self.breaker.is_closed

    @property
    def is_lost(self) -> bool:
        """Whether the node is known to be unavailable. A new node, which was not probed yet, is not."""
        return not self.breaker.is_closed and self.breaker.last_error is not None

    def shard_health(self) -> ShardHealth:
        """The state of the node now."""
        breaker = self.breaker
        return ShardHealth(
            address=self.address,
            state=breaker.state,
            since=datetime.fromtimestamp(breaker.since, timezone.utc),
            backend="module" if self.backend.has_module else "script",
            last_error=breaker.last_error,
            opened=breaker.opened,
            tracking=self.is_tracking(),
            unanswered=self.unanswered,
        )

    def _report_unavailable(self, error: str) -> None:
        super()._report_unavailable(error)
        self._on_lost()
