"""The errors of a cluster's node that name the node to ask instead."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import AskError, MovedError, ResponseError, TryAgainError

NO_OWNER = "no node of the cluster owns the key's hash slot"
_NOT_SERVED = "Hash slot not served"
"""The end of the error of a slot that no node owns. The code of it also says that the whole cluster is down."""


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
        if not isinstance(reply, ResponseError):
            return None
        words = _words(reply)
        if words[0] not in ("ASK", "MOVED"):
            return None
        host, _, port = words[2].rpartition(":")
        # A node sends no host if it is its own.
        host = host or address.rpartition(":")[0]
        return cls(int(words[1]), f"{host}:{port}", words[0] == "ASK")


def is_about_slot(reply: object) -> bool:
    """Whether a node rejects a command only because another node, or none, owns the slot of its key."""
    if not isinstance(reply, ResponseError):
        return False
    return _words(reply)[0] in ("ASK", "MOVED") or str(reply).endswith(_NOT_SERVED)


def is_split(error: Exception) -> bool:
    """Whether a node has only some keys of a command, because their slot is moving: each key needs a command."""
    # Before 5.1, redis-py has no class for the code.
    return isinstance(error, TryAgainError) or str(error).startswith("TRYAGAIN ")


def _words(error: ResponseError) -> list[str]:
    """The words of an error with its code, of which newer versions of redis-py make a class."""
    code = "MOVED" if isinstance(error, MovedError) else "ASK" if isinstance(error, AskError) else None
    words = str(error).split(" ")
    return words if code is None else [code, *words]
