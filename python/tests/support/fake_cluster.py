"""An engine of a cluster whose nodes reply as the test says."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from redis.exceptions import ConnectionError as Lost

from ratelog import Check, Limits
from ratelog.engine.cluster_engine import ClusterEngine
from ratelog.engine.node_command import NodeFailure, node_of
from ratelog.engine.operation import run
from ratelog.events import EventPublisher, ServerRecovered, ServerUnavailable
from ratelog.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog.engine.commands import Command
    from ratelog.engine.operation import Operation
    from ratelog.events import Event

T = TypeVar("T")

ALLOWED = [1, 9, 8, 0, 60_000, 60_000]
DENIED = [0, 9, 0, 9_000, 50_000, 60_000]
"""The newest unit is ten seconds old."""
SLOTS = [[0, 8_191, [b"a", 1, b"id"]], [8_192, 16_383, [b"b", 2, b"id"], [b"c", 3, b"id"]]]
"""Two primaries with half of the slots each, and a replica."""
OF_A, OF_B = b"{bar}", b"{foo}"
"""A key of each primary, whose log is on the same one."""
SLOT_OF_A, SLOT_OF_B = 5_061, 12_182


RULES = Limits("9/minute")
BOTH = [Check(OF_A, RULES), Check(OF_B, RULES)]
GONE = NodeFailure(Lost("gone"))


class FakeCluster:
    """Nodes that allow every check, unless `reply` sets other replies."""

    def __init__(self, *, is_known: bool = True, **settings: Any) -> None:
        self.events: list[Event] = []
        self.sent: list[tuple[Any, ...]] = []
        """Each command, after the address of its node."""
        self.rounds: list[int] = []
        """The number of commands that were sent together."""
        self._slots: list[Any] = SLOTS
        self._replies: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        self.engine = ClusterEngine(load(**settings), EventPublisher([self.events.append]), seeds=["a:1"])
        if is_known:
            self.refresh()
            for shard in self.engine.shards.owners():
                shard.breaker.record_recovery()
            self.sent.clear()
            self.rounds.clear()

    def reply(self, address: str, name: str, *replies: Any) -> None:
        """Sets the next replies of a node to the commands with this name."""
        self._replies[address, name] += replies

    def run(self, operation: Operation[T]) -> T:
        return run(operation, self._execute)

    def refresh(self) -> bool:
        """Reads the topology."""
        topology = self.run(self.engine.fetch_topology())
        if topology is None:
            return False
        self.engine.shards.add(topology)
        self.engine.install(topology)
        return True

    def install(self, slots: list[Any]) -> None:
        """Lets the nodes reply with these slots to `CLUSTER SLOTS`, and reads the topology."""
        self._slots = slots
        assert self.refresh()

    def outages(self) -> list[tuple[type[Event], str]]:
        """The events of outages, each with the server."""
        events = [event for event in self.events if isinstance(event, ServerUnavailable | ServerRecovered)]
        return [(type(event), event.server) for event in events]

    def use_script(self) -> None:
        """Lets the nodes lack the module, and not be probed for it."""
        for shard in self.engine.shards.owners():
            shard.backend.dialect = shard.backend._script
            shard.backend._next_module_probe = math.inf

    def check(self, *checks: Check, record: bool = True) -> list[tuple[str, bool, int] | None]:
        """The source of each decision, whether the check is allowed, and what remains."""
        decisions = self.run(self.engine.check(checks, record=record))
        return [None if one is None else (one.source, one.allowed, one.remaining) for one in decisions]

    def names(self) -> list[str]:
        """The names of the commands that were sent, as `a:1 RL.CHECK`."""
        return [f"{address} {name}" for address, name, *_ in self.sent]

    def _execute(self, commands: Sequence[Command]) -> list[Any]:
        self.rounds.append(len(commands))
        return [self._execute_one(node_of(command), command) for command in commands]

    def _execute_one(self, address: str, command: Command) -> Any:
        name = str(command[0])
        self.sent.append((address, *command))
        replies = self._replies[address, name]
        if replies:
            return replies.pop(0)
        defaults = {"CLUSTER": self._slots, "RL.CHECK": ALLOWED, "RL.PEEK": ALLOWED, "RL.MCHECK": [ALLOWED, ALLOWED]}
        return defaults.get(name, 1)
