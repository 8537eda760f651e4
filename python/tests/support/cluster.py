"""A real cluster of primaries, each with an equal share of the slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .server import free_port
from .wait import until_sync

if TYPE_CHECKING:
    from .server import Server
    from .types import Start

SLOTS = 16_384


class Cluster:
    """A cluster that serves once it is created."""

    def __init__(self, start: Start, primaries: int = 3, *, module: bool = True) -> None:
        self.nodes: list[Server] = []
        for _ in range(primaries):
            bus = f"cluster-port {free_port()}"
            self.nodes.append(start("cluster-enabled yes", "cluster-node-timeout 2000", bus, module=module))
        for index, node in enumerate(self.nodes):
            db = node.db()
            first, last = (SLOTS * share // primaries for share in (index, index + 1))
            db.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
            bus_port = int(db.config_get("cluster-port")["cluster-port"])
            self.nodes[0].db().execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus_port)
        until_sync("the cluster is up", lambda: all(self._serves(node) for node in self.nodes))

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def keys(self) -> list[bytes]:
        """The keys of all nodes."""
        return sorted(key for node in self.nodes for key in node.db().keys("*"))

    def _serves(self, node: Server) -> bool:
        db = node.db(protocol=2)
        info = str(db.execute_command("CLUSTER INFO"))
        return "'cluster_state': 'ok'" in info and len(db.execute_command("CLUSTER SLOTS")) == len(self.nodes)
