"""The health of a cluster: that of its shards together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..health import Health, ShardHealth


def health_of_cluster(own: Health, shards: Sequence[ShardHealth]) -> Health:
    """Adds the shards to the health of their cluster.

    `own` has the state of the search for the nodes, and the counts of shards that have left.
    """
    if not shards:
        return own
    unavailable = [shard for shard in shards if shard.state != "closed"]
    latest_first = sorted(shards, key=_since, reverse=True)
    shown = min(unavailable, key=_since) if unavailable else latest_first[0]
    errors = [shard.last_error for shard in (shown, *latest_first) if shard.last_error]
    return replace(
        own,
        state=shown.state,
        since=shown.since,
        last_error=errors[0] if errors else own.last_error,
        backend="script" if any(shard.backend == "script" for shard in shards) else "module",
        opened=own.opened + sum(shard.opened for shard in shards),
        tracking=all(shard.tracking for shard in shards),
        unanswered=own.unanswered + sum(shard.unanswered for shard in shards),
        shards=tuple(shards),
    )


def _since(shard: ShardHealth) -> float:
    return shard.since.timestamp()
