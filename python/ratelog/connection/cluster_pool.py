"""The client of a cluster as a pool, and the routing of commands that redis-py cannot route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from ..engine.node_command import ALL_PRIMARIES, ONE_PRIMARY, NodeCommand, NodeReplies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..engine.commands import Command, Reply
    from .pool import PendingCommands

_KEY_INDEX = {"RL.EXPLAIN": 1, "RL.HITS": 1, "RL.INSPECT": 1, "RL.OVERRIDE": 2, "RL.REFUND": 1}
"""The position of the key. redis-py finds none in a command that the server does not know: a server without the module
must reject probes, overrides and the commands of operators itself."""

EXPLICITLY_ROUTED = frozenset({"RL.POLICY", "RL.STATS", "RL.TOP", "SCAN", "SCRIPT", *_KEY_INDEX})


def target_nodes(client: Any, command: Command) -> Any:
    """Returns the nodes of `client` for one of the `EXPLICITLY_ROUTED` commands."""
    name = str(command[0])
    if isinstance(command, NodeCommand):
        return _nodes_named(client, command.nodes)
    if name in _KEY_INDEX:
        return client.get_node_from_key(command[_KEY_INDEX[name]])
    return client.get_primaries() if name == "SCRIPT" else client.get_random_node()


def all_primaries(client: Any, command: Command) -> Sequence[Any]:
    """The nodes to ask one by one if the command is for all primaries; empty for another command."""
    is_for_all = isinstance(command, NodeCommand) and command.nodes == ALL_PRIMARIES
    return _primaries(client) if is_for_all else ()


def combine(replies: Mapping[str, Reply]) -> Reply:
    """The reply to a command for all primaries: the first error, or all replies."""
    errors = (reply for reply in replies.values() if isinstance(reply, Exception))
    return next(errors, NodeReplies(replies))


def _is_explicitly_routed(commands: Sequence[Command]) -> bool:
    return any(command[0] in EXPLICITLY_ROUTED for command in commands)


def _nodes_named(client: Any, nodes: str) -> Any:
    if nodes == ONE_PRIMARY:
        return _primaries(client)[0]
    node = client.get_node(node_name=nodes)
    if node is None:
        raise ResponseError(f"node {nodes} has left the cluster: begin the list again")
    return node


def _primaries(client: Any) -> Sequence[Any]:
    primaries = sorted(client.get_primaries(), key=lambda node: str(node.name))
    if not primaries:
        raise RedisConnectionError("the cluster has no primary")
    return primaries


class ClusterPool:
    """A cluster client of redis-py, which routes to the shards itself. Limits the batches in progress."""

    def __init__(self, client: Any, *, max_connections: int) -> None:
        self._client = client
        self._available = max_connections

    def acquire(self) -> Any:
        """Returns the client unless too many batches are in progress."""
        if not self._available:
            return None
        self._available -= 1
        return self._client

    def release(self, connection: Any) -> None:  # noqa: ARG002 - every connection is the client
        """Ends a batch."""
        self._available += 1

    async def send(self, connection: Any, pending: PendingCommands) -> bool:
        """Sends one pipeline per shard."""
        try:
            await self.send_unpooled(pending)
        finally:
            self.release(connection)
        return True

    async def send_unpooled(self, pending: PendingCommands) -> None:
        """Sends one pipeline per shard, without a limit. Checks do not wait for the commands of operators."""
        by_key = [command for commands, _ in pending for command in commands if command[0] not in EXPLICITLY_ROUTED]
        replies = iter(await self._send_pipeline(by_key))
        results: list[list[Reply]] = [
            [None if command[0] in EXPLICITLY_ROUTED else next(replies) for command in commands]
            for commands, _ in pending
        ]
        for index in sorted(range(len(pending)), key=lambda index: _is_explicitly_routed(pending[index][0])):
            commands, future = pending[index]
            for place, command in enumerate(commands):
                if command[0] in EXPLICITLY_ROUTED:
                    results[index][place] = await self._send_to_nodes(command)
            if not future.done():
                future.set_result(results[index])

    async def close(self) -> None:
        """Does nothing: the pool holds no connections."""

    async def _send_pipeline(self, commands: Sequence[Command]) -> Sequence[Reply]:
        if not commands:
            return ()
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Reply] = await pipeline.execute(raise_on_error=False)
        return replies

    async def _send_to_nodes(self, command: Command) -> Reply:
        await self._client.initialize()
        if primaries := all_primaries(self._client, command):
            return combine({str(node.name): await self._send_to(node, command) for node in primaries})
        return await self._send_to(None, command)

    async def _send_to(self, node: Any, command: Command) -> Reply:
        try:
            nodes = node or target_nodes(self._client, command)
            reply: Reply = await self._client.execute_command(*command, target_nodes=nodes)
        except ResponseError as error:
            return error
        return reply
