"""One shard of a cluster: the node that owns some of the hash slots."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ..health import ShardHealth
from .engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Shard(Engine):
    """The engine of one node, with a circuit breaker of its own.

    All shards of a cluster share the limiter of this process, the policies, the deny cache and the problems.
    """

    def __init__(self, cluster: Engine, address: str, *, user: str, report_doubt: Callable[[], None]) -> None:
        """`report_doubt` is called when the node becomes unavailable, after each failed probe, and when it recovers:
        other nodes may own its slots by then."""
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
        self.redirected_at = -math.inf
        """The monotonic time of the last redirect to it."""
        self._report_doubt = report_doubt
        self._has_left = False
        """Whether it owns no slots any more. Connections to it may exist for a while."""
        self._unavailable_since = 0.0

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
            last_error=self.last_error,
            opened=breaker.opened,
            tracking=self.is_tracking(),
            unanswered=self.unanswered,
        )

    def leave(self) -> bool:
        """Reports no outages from now on, but the end of the last one. Returns whether that has not ended."""
        self._has_left = True
        self._unavailable_since = self.breaker.since
        return self._is_reported_unavailable

    def report_replaced(self, owners: Sequence[Shard]) -> None:
        """Reports the end of the outage: `owners` serve the slots."""
        has_module = all(owner.backend.has_module for owner in owners)
        super()._report_recovery(self._unavailable_since, "module" if has_module else "script")

    def _report_recovery(self, unavailable_since: float, backend: str) -> None:
        if self._is_reported_unavailable and not self._has_left:
            super()._report_recovery(unavailable_since, backend)
            self._report_doubt()

    def _report_unavailable(self, error: str) -> None:
        if not self._has_left:
            super()._report_unavailable(error)
        # Each event loop that still probes a shard that has left reads the topology, and closes the connections.
        self._report_doubt()
