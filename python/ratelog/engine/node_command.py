"""Commands without a key, for chosen nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

    from .commands import Reply

ONE_PRIMARY = "one primary"
"""The first primary by name: it knows the changes that it was sent before."""
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


class NodeReplies(dict[str, "Reply"]):
    """The reply of each primary, by the node's name."""


def by_node(reply: Reply) -> dict[str, Reply]:
    """The replies to a command for all primaries; those of a server outside of a cluster have the name ''."""
    return reply if isinstance(reply, NodeReplies) else {"": reply}
