"""The errors of a cluster's node that name the node to ask instead."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import AskError, ClusterDownError, MovedError


@dataclass(frozen=True)
class Redirect:
    """The node to ask instead."""

    slot: int
    address: str
    """`host:port`."""
    is_ask: bool
    """Whether it concerns one command (`ASK`). Otherwise it concerns the slot (`MOVED`)."""

    @classmethod
    def from_reply(cls, reply: object, address: str) -> Redirect | None:
        """Reads the reply of the node with this address; `None` for another reply."""
        if not isinstance(reply, AskError):
            return None
        # A node sends no host if it is its own.
        host = reply.host or address.rpartition(":")[0]
        return cls(reply.slot_id, f"{host}:{reply.port}", not isinstance(reply, MovedError))


def is_about_slot(reply: object) -> bool:
    """Whether a node rejects a command only because another node, or none, owns the slot of its key."""
    if isinstance(reply, ClusterDownError):
        # The same code says that the whole cluster is down.
        return str(reply).endswith("Hash slot not served")
    return isinstance(reply, AskError)
