"""A real cluster. Each primary has an equal share of the slots, and the same number of replicas."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import redis

from ratelog._core import SCRIPT_SUFFIX, hash_slot

from .server import free_port
from .wait import until_sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .server import Server
    from .types import Start

SLOTS = 16_384
SUFFIX = SCRIPT_SUFFIX.encode()
"""Follows a key in the name of its log, if the script stores it."""

PARTIAL = "cluster-require-full-coverage no"
"""Shards are served while others are lost."""


class Cluster:
    """A cluster that serves once it is created. `nodes` has the primaries, then the replicas in the same order."""

    def __init__(
        self, start: Start, primaries: int = 3, *lines: str, replicas: bool = False, module: bool = True
    ) -> None:
        self.nodes: list[Server] = []
        self._primaries = primaries
        for _ in range(primaries * (1 + replicas)):
            bus = f"cluster-port {free_port()}"
            self.nodes.append(start("cluster-enabled yes", "cluster-node-timeout 2000", bus, *lines, module=module))
        for index, node in enumerate(self.nodes):
            db = node.db()
            db.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            if index < primaries:
                first, last = (SLOTS * share // primaries for share in (index, index + 1))
                db.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
            bus_port = int(db.config_get("cluster-port")["cluster-port"])
            self.nodes[0].db().execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus_port)
        for index, node in enumerate(self.nodes[primaries:]):
            until_sync("the replica is attached", partial(self._attach, node, self.nodes[index]))
        until_sync("the cluster is up", lambda: all(self._serves(node) for node in self.nodes))

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def redirects(self) -> int:
        """How often the nodes have redirected a command to the owner of its slot."""
        stats = [node.db().info("errorstats").get("errorstat_MOVED", "count=0") for node in self.nodes]
        # Old versions of redis-py do not parse a value of one field.
        return sum(int(moved["count"] if isinstance(moved, dict) else moved.partition("=")[2]) for moved in stats)

    def keys(self) -> list[bytes]:
        """The keys of all nodes."""
        return sorted(key for node in self.nodes for key in node.db().keys("*"))

    def key_of_each(self) -> list[str]:
        """A key of each primary."""
        names = [f"k{number}" for number in range(1000)]
        shares = [hash_slot(name) * self._primaries // SLOTS for name in names]
        return [names[shares.index(index)] for index in range(self._primaries)]

    def owner_of(self, key: str, nodes: Sequence[Server] | None = None) -> Server | None:
        """The node that owns the slot of a key, if all `nodes` agree, or all nodes."""
        slot = hash_slot(key)
        named = {_owner(node, slot) for node in nodes or self.nodes}
        port = named.pop() if len(named) == 1 else None
        return next((node for node in self.nodes if node.port == port), None)

    def assign(self, key: str, to: Server | None) -> None:
        """Gives the slot of a key, which must be empty, to a node, or to none."""
        slot = hash_slot(key)
        for node in self.nodes:
            if to is None:
                node.db().execute_command("CLUSTER", "DELSLOTS", slot)
            else:
                node.db().execute_command("CLUSTER", "SETSLOT", slot, "NODE", _id_of(to))

    def begin_migration(self, key: str, to: int) -> tuple[Server, Server]:
        """Prepares the move of the slot of a key to the primary at `to`. Returns the old and the new owner."""
        slot, source, target = hash_slot(key), self.owner_of(key), self.nodes[to]
        assert source is not None
        target.db().execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", _id_of(source))
        source.db().execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", _id_of(target))
        return source, target

    def migrate(self, key: str, to: int) -> None:
        """Moves the slot of a key to the primary at `to`, key by key, as resharding tools do."""
        source, target = self.begin_migration(key, to)
        slot, db = hash_slot(key), source.db()
        for name in db.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            db.execute_command("MIGRATE", "127.0.0.1", target.port, name, 0, 20_000)
        for node in (target, source):
            node.db().execute_command("CLUSTER", "SETSLOT", slot, "NODE", _id_of(target))
        until_sync("all nodes know that the slot has moved", lambda: self.owner_of(key) is target)

    def promote(self, replica: int) -> None:
        """Makes a replica the primary, in agreement with the old one."""
        node, key = self.nodes[replica], self.key_of_each()[replica % self._primaries]

        def is_promoted() -> bool:
            if _role(node) != "master":
                # The server aborts a failover after a while when the other nodes are busy.
                try:
                    node.db().execute_command("CLUSTER", "FAILOVER")
                except redis.ResponseError:
                    return False  # it is in progress, or the old primary is not connected
            return self.owner_of(key) is node

        until_sync("all nodes agree on the new primary", is_promoted)

    def _attach(self, replica: Server, primary: Server) -> bool:
        try:
            replica.db().execute_command("CLUSTER", "REPLICATE", _id_of(primary))
        except redis.ResponseError:
            return False  # it does not know its primary yet
        return True

    def _serves(self, node: Server) -> bool:
        db = node.db(protocol=2)
        info = str(db.execute_command("CLUSTER INFO"))
        nodes = sum(len(row) - 2 for row in slots_of(db))
        is_linked = _role(node) == "master" or db.info("replication")["master_link_status"] == "up"
        return "'cluster_state': 'ok'" in info and nodes == len(self.nodes) and is_linked


def keys_of_one_slot() -> tuple[bytes, bytes]:
    """Two keys without a hash tag. Their logs, as the script stores them, have different slots."""
    found: dict[int, bytes] = {}
    for number in range(SLOTS):
        name = b"k%d" % number
        other = found.setdefault(hash_slot(name), name)
        if hash_slot(other + SUFFIX) != hash_slot(name + SUFFIX):
            return other, name
    raise LookupError("the logs of all keys of a slot have one slot")


def slots_of(db: Any) -> list[Any]:
    """The reply of `CLUSTER SLOTS`, as the server sends it."""
    connection = db.connection
    connection.send_command("CLUSTER", "SLOTS")
    return list(connection.read_response())


def _owner(node: Server, slot: int) -> int | None:
    rows = slots_of(node.db())
    return next((int(row[2][1]) for row in rows if row[0] <= slot <= row[1]), None)


def _id_of(node: Server) -> str:
    return str(node.db(decode_responses=True).execute_command("CLUSTER", "MYID"))


def _role(node: Server) -> str:
    return str(node.db().info("replication")["role"])
