"""The clients: each runs the same request and returns the replies in one form."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import redis
import valkey

from support.wait import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

Reply = Any
"""Nested lists, texts, numbers and `None`. A map is a flat list, and an error is `{"error": message}`."""

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Command:
    """A command with the key that it is routed by. A command without a key is sent to every primary."""

    words: tuple[str, ...]
    key: str | None


@dataclass(frozen=True)
class Batch:
    """Commands that are sent one by one, or together: then all of them have keys in one slot."""

    mode: Literal["each", "pipeline", "transaction"]
    commands: Sequence[Command]


@dataclass(frozen=True)
class Target:
    """One server, or the primaries of a cluster, and a user."""

    ports: Sequence[int]
    cluster: bool
    username: str = "default"
    password: str = ""


class Driver(Protocol):
    """A client library."""

    name: str
    routes: bool
    """Whether it sends a command to the shard of its key at once. Otherwise it follows a redirection."""
    has_cluster_transactions: bool

    def run(self, target: Target, batches: Sequence[Batch]) -> list[list[Reply]]:
        """Connects with the library's default settings, and returns the replies of each batch.

        The reply of a command without a key is a list with the reply of each primary.
        """


class PythonDriver:
    """redis-py, or its fork valkey-py."""

    routes = True

    def __init__(
        self, name: str, client: Any, cluster_client: Any, node: Any, *, has_cluster_transactions: bool
    ) -> None:
        self.name = name
        self.has_cluster_transactions = has_cluster_transactions
        self._client = client
        self._cluster_client = cluster_client
        self._node = node

    def run(self, target: Target, batches: Sequence[Batch]) -> list[list[Reply]]:
        client = self._connect(target)
        try:
            return [flat(self._run(client, target, batch)) for batch in batches]
        finally:
            client.close()

    def _connect(self, target: Target) -> Any:
        auth = {"username": target.username, "password": target.password, "decode_responses": True}
        if target.cluster:
            nodes = [self._node("127.0.0.1", port) for port in target.ports]
            return self._cluster_client(startup_nodes=nodes, **auth)
        return self._client(host="127.0.0.1", port=target.ports[0], **auth)

    def _run(self, client: Any, target: Target, batch: Batch) -> list[Reply]:
        if batch.mode == "each":
            return [self._send(client, target, command) for command in batch.commands]
        pipeline = client.pipeline(transaction=batch.mode == "transaction")
        for command in batch.commands:
            pipeline.execute_command(*command.words)
        replies: list[Reply] = pipeline.execute(raise_on_error=False)
        return replies

    def _send(self, client: Any, target: Target, command: Command) -> Reply:
        try:
            if command.key is not None:
                return client.execute_command(*command.words)
            if not target.cluster:
                return [client.execute_command(*command.words)]
            return list(client.execute_command(*command.words, target_nodes=client.get_primaries()).values())
        except (redis.RedisError, valkey.ValkeyError) as error:
            return error


class NodeDriver:
    """A program of this folder that uses a Node library."""

    has_cluster_transactions = True

    def __init__(self, name: str, program: str, *, routes: bool) -> None:
        self.name = name
        self.routes = routes
        self._program = FOLDER / program

    def run(self, target: Target, batches: Sequence[Batch]) -> list[list[Reply]]:
        request = {**asdict(target), "batches": [asdict(batch) for batch in batches]}
        process = subprocess.run(
            [os.environ["NODE"], str(self._program)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        # ioredis warns there if it cannot check whether the server is ready.
        assert (process.returncode, process.stderr) == (0, ""), process.stderr
        return [flat(replies) for replies in json.loads(process.stdout)]


def flat(reply: Reply) -> Reply:
    """The reply with flat lists in place of maps, as in RESP2."""
    if isinstance(reply, dict) and "error" not in reply:
        return [flat(item) for pair in reply.items() for item in pair]
    if isinstance(reply, list):
        return [flat(item) for item in reply]
    return {"error": str(reply)} if isinstance(reply, Exception) else reply


DRIVERS: Sequence[Driver] = (
    PythonDriver("redis-py", redis.Redis, redis.RedisCluster, redis.cluster.ClusterNode, has_cluster_transactions=True),
    PythonDriver(
        "valkey-py", valkey.Valkey, valkey.ValkeyCluster, valkey.cluster.ClusterNode, has_cluster_transactions=False
    ),
    NodeDriver("ioredis", "ioredis.js", routes=False),
    NodeDriver("node-redis", "node_redis.js", routes=True),
)
