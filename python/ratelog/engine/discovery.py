"""The search for the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from .node_command import NodeCommand, NodeFailure
from .topology import Topology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .commands import Reply
    from .operation import Operation


class Discovery:
    """Asks nodes for the topology."""

    def __init__(self, seeds: Sequence[str]) -> None:
        """`seeds` are the addresses of nodes, `host:port`."""
        self._seeds = frozenset(seeds)
        self._next = 0
        self.addresses: set[str] = set()
        """The nodes of the last topology, also replicas. A node that left may be one of another cluster by now."""

    def fetch(self, available: Sequence[str]) -> Operation[Topology]:
        """Asks shards that are available, one after the other; and if none replies, all known nodes at once.

        Raises:
            RedisError: no node replied; or an error of another kind, if a node could not be asked.
        """
        self._next = (self._next + 1) % max(1, len(available))
        rounds = [[address] for address in (*available[self._next :], *available[: self._next])]
        rounds.append(sorted(self.addresses | self._seeds))
        error: Exception | None = None
        for addresses in rounds:
            replies = yield [NodeCommand("CLUSTER", "SLOTS", nodes=address) for address in addresses]
            for address, reply in zip(addresses, replies, strict=True):
                try:
                    return _read(reply, address)
                except Exception as failure:  # noqa: BLE001 - after any error the node cannot be used
                    # An error of the network says more than that of a node without slots.
                    error = failure if error is None or not isinstance(failure, ResponseError) else error
        raise error or ResponseError("no node of the cluster is known")


def _read(reply: Reply, address: str) -> Topology:
    if isinstance(reply, NodeFailure):
        raise reply.error
    if isinstance(reply, Exception):
        raise reply
    return Topology.from_reply(reply, address)
