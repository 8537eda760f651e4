"""The nodes of a cluster and their hash slots, as `CLUSTER SLOTS` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from .overrides import parse_map, text

if TYPE_CHECKING:
    from .commands import Reply

_UNKNOWN_HOST = "?"


@dataclass(frozen=True)
class Topology:
    """The owners of the hash slots. A node is named by its address, `host:port`."""

    ranges: list[tuple[int, int, str]]
    """The first and the last slot of each range, and the primary that owns it."""
    addresses: set[str]
    """All nodes, also replicas."""

    @classmethod
    def from_reply(cls, reply: Reply, address: str) -> Topology:
        """Reads the reply of the node with this address. Leaves out nodes whose address is unknown.

        Raises:
            ResponseError: the reply names no node with hash slots.
        """
        topology = cls([], set())
        rows: Any = reply if isinstance(reply, list) else ()
        for first, last, *nodes in rows:
            known = [_address(node, address) for node in nodes]
            if known and known[0] is not None:
                topology.ranges.append((first, last, known[0]))
            topology.addresses.update(node for node in known if node is not None)
        if not topology.ranges:
            raise ResponseError(f"node {address} knows no node with hash slots")
        return topology


def _address(node: Any, answering: str) -> str | None:
    # A node whose address was forgotten has port 0 and no host.
    if node[1] == 0:
        return None
    host = "" if node[0] is None else text(node[0])
    if host == _UNKNOWN_HOST:
        # The preferred name is unknown, but perhaps not the address.
        metadata = parse_map(node[3]) if len(node) > 3 else {}
        return f"{text(metadata['ip'])}:{node[1]}" if "ip" in metadata else None
    # A node sends no host if it is its own.
    return f"{host or answering.rpartition(':')[0]}:{node[1]}"
