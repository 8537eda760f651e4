"""Asking through redis-py's blocking client, from any number of threads."""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.exceptions import ResponseError

from .aio import KEYLESS
from .packing import packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..commands import Command, Reply


class SyncLink:
    """Pipelines over the connections of one client."""

    def __init__(self, client: Any, *, cluster: bool, timeout: float, lanes: int) -> None:
        self._client = client
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
        where = {}
        if command[0] in KEYLESS:
            where["target_nodes"] = self._client.PRIMARIES if command[0] == "SCRIPT" else self._client.RANDOM
        try:
            reply: Reply = self._client.execute_command(*command, **where)
        except ResponseError as error:
            return error
        return reply


def _read(connection: Any) -> Reply:
    try:
        reply: Reply = connection.read_response()
    except ResponseError as error:
        return error
    return reply
