"""A cluster of three primaries, made of real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .patience import until_sync
from .server import free_port

if TYPE_CHECKING:
    from .server import Server
    from .types import Start

SLOTS = 16_384


class Cluster:
    """Each of `nodes` has a third of the slots."""

    def __init__(self, start: Start, *, module: bool = True) -> None:
        # By itself the bus would be 10,000 above the port, which may be more than there are.
        buses = [free_port() for _ in range(3)]
        lines = ("cluster-enabled yes", "cluster-node-timeout 2000")
        self.nodes: list[Server] = [start(*lines, f"cluster-port {bus}", module=module) for bus in buses]
        for place, node in enumerate(self.nodes):
            first, last = place * SLOTS // 3, (place + 1) * SLOTS // 3 - 1
            node.db().execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            node.db().execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port, buses[0])
        until_sync("every node knows every other", lambda: all(map(self._is_complete, self.nodes)))

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @staticmethod
    def _is_complete(node: Server) -> bool:
        info = node.db().cluster("INFO")
        return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", "3")
