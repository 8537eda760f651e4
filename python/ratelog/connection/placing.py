"""Where a cluster's client is to send what it cannot place by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..engine.commands import Command

_KEYS = {"RL.OVERRIDE": 2, "RL.REFUND": 1}
"""Where the key stands. redis-py looks for none behind a subcommand, nor in a command that the server does not have, by
which the probe finds out whether it has the module."""

UNPLACED = frozenset({"RL.POLICY", "SCRIPT", *_KEYS})


def nodes_for(client: Any, command: Command) -> Any:
    """The nodes of `client` that one of the `UNPLACED` commands is for."""
    name = str(command[0])
    if name in _KEYS:
        return client.get_node_from_key(command[_KEYS[name]])
    return client.get_primaries() if name == "SCRIPT" else client.get_random_node()
