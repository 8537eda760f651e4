"""Commands for chosen nodes of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from redis.exceptions import ConnectionError as RedisConnectionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

    from .commands import Command, Reply

ONE_PRIMARY = "one primary"
"""The first available primary by name: it knows the changes that it was sent before."""
ALL_PRIMARIES = "all primaries"
"""Each primary. The reply is `NodeReplies`, or the error of a node."""


class NodeCommand(tuple[bytes | str | int, ...]):  # noqa: SLOT001 - a tuple's subclass cannot have slots of its own
    """A command for the nodes `nodes` of a cluster. A server outside of a cluster receives it as any other command."""

    nodes: str
    """`ONE_PRIMARY`, `ALL_PRIMARIES`, or the name of a node as in `NodeReplies`."""

    def __new__(cls, *words: bytes | str | int, nodes: str) -> Self:
        command = super().__new__(cls, words)
        command.nodes = nodes
        return command


@dataclass(frozen=True)
class NodeFailure:
    """Takes the place of a reply if the node did not reply."""

    error: Exception


def has_left(address: str) -> NodeFailure:
    """The failure of a node that is no shard any more."""
    return NodeFailure(RedisConnectionError(f"node {address} has left the cluster"))


NOT_ASKED = NodeFailure(RedisConnectionError("another node replied first"))
"""Takes the place of a reply that is not needed."""


class NodeReplies(dict[str, "Reply"]):
    """The reply of each primary, by the node's name."""


def by_node(reply: Reply) -> dict[str, Reply]:
    """The replies to a command for all primaries; those of a server outside of a cluster have the name ''."""
    return reply if isinstance(reply, NodeReplies) else {"": reply}


def node_of(command: Command) -> str:
    """The node that a command of a cluster's operation is for."""
    return cast("NodeCommand", command).nodes


def split_by_node(commands: Sequence[Command]) -> dict[str, list[Command]]:
    """The commands for each node."""
    by_node: dict[str, list[Command]] = {}
    for command in commands:
        by_node.setdefault(node_of(command), []).append(command)
    return by_node


def merge_replies(commands: Sequence[Command], replies: Mapping[str, Sequence[Reply]]) -> list[Reply]:
    """The replies of the nodes, in the order of the commands."""
    rest = {node: iter(part) for node, part in replies.items()}
    return [next(rest[node_of(command)]) for command in commands]
