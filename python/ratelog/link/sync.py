"""Asking through redis-py's blocking client, from any number of threads."""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.exceptions import ResponseError

from ..target import clients_of
from .packing import packed
from .placing import UNPLACED, nodes_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..commands import Command, Reply


class SyncLink:
    """Pipelines over the connections of one client."""

    def __init__(self, connect: Callable[[], Any], *, cluster: bool, timeout: float, lanes: int) -> None:
        """`connect` makes the client when it is needed: that of a cluster asks the nodes before it is made."""
        self._connect = connect
        self._made: Any = None
        self._timeout = timeout
        self._lanes = BoundedSemaphore(lanes)
        self._exchange = self._of_cluster if cluster else self._of_server

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """The replies to `commands`, errors of the server among them as exceptions; within the client's timeout."""
        if not self._lanes.acquire(timeout=self._timeout):
            raise exceptions.TimeoutError(f"no connection was free within {self._timeout:g} s")
        try:
            return self._exchange(commands)
        finally:
            self._lanes.release()

    @property
    def _client(self) -> Any:
        # Nobody else asks before a probe was answered.
        if self._made is None:
            self._made = self._connect()
        return self._made

    def close(self) -> None:
        """Closes the client's connections."""
        if self._made is not None:
            for client in clients_of(self._made):
                client.close()

    def _of_server(self, commands: Sequence[Command]) -> list[Reply]:
        """Not by redis-py's pipeline: it may send again what was not answered."""
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_packed_command(packed(connection, commands), check_health=False)
            return [_read(connection) for _ in commands]
        except BaseException:
            # Replies may be under way that nobody is going to read.
            connection.disconnect()
            raise
        finally:
            pool.release(connection)

    def _of_cluster(self, commands: Sequence[Command]) -> list[Reply]:
        return [self._of_shard(command) for command in commands]

    def _of_shard(self, command: Command) -> Reply:
        client = self._client
        where = {}
        if command[0] in UNPLACED:
            where["target_nodes"] = nodes_for(client, command)
        try:
            reply: Reply = client.execute_command(*command, **where)
        except ResponseError as error:
            return error
        return reply


def _read(connection: Any) -> Reply:
    try:
        reply: Reply = connection.read_response()
    except ResponseError as error:
        return error
    return reply
