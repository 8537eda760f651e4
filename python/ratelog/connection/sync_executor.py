"""Asking through redis-py's blocking client, from any number of threads."""

from __future__ import annotations

from threading import BoundedSemaphore
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.exceptions import ResponseError

from ..engine.classify import TRANSPORT, LimiterClosedError, absence_of, unconnected
from .compat import packed
from .placing import UNPLACED, nodes_for
from .target import clients_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..engine.commands import Command, Reply


class SyncLink:
    """Pipelines over the connections of one client."""

    def __init__(self, connect: Callable[[], Any], *, cluster: bool, timeout: float, lanes: int) -> None:
        """`connect` makes the client when it is needed: that of a cluster asks the nodes before it is made."""
        self._connect = connect
        self._made: Any = None
        self._timeout = timeout
        self._most = lanes
        self._lanes = BoundedSemaphore(lanes)
        self._is_closed = False
        self._exchange = self._of_cluster if cluster else self._of_server

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """The replies to `commands`, errors of the server among them as exceptions; within the client's timeout."""
        if not self._lanes.acquire(timeout=self._timeout):
            raise exceptions.TimeoutError(f"no connection was free within {self._timeout:g} s")
        try:
            if self._is_closed:
                raise LimiterClosedError("the limiter was closed")
            return self._exchange(commands)
        finally:
            self._lanes.release()

    @property
    def _client(self) -> Any:
        # Nobody else asks before a probe was answered.
        if self._made is None:
            self._made = self._connect()
        return self._made

    def close(self, *, closes_client: bool) -> None:
        """Asks no more, and closes the client's connections when what is under way is answered, or late."""
        self._is_closed = True
        until = monotonic() + self._timeout
        for _ in range(self._most):
            if not self._lanes.acquire(timeout=max(0.0, until - monotonic())):
                break
        if closes_client and self._made is not None:
            for client in clients_of(self._made):
                client.close()

    def _of_server(self, commands: Sequence[Command]) -> list[Reply]:
        """Not by redis-py's pipeline: it may send again what was not answered."""
        pool = self._client.connection_pool
        connection = self._connection(pool)
        is_lost = False
        replies: list[Reply] = []
        try:
            connection.send_packed_command(packed(connection, commands), check_health=False)
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    is_lost = is_lost or absence_of(error) == "lost"
                    replies.append(error)
        except BaseException as error:
            # Replies may be under way that nobody is going to read.
            connection.disconnect()
            is_lost = absence_of(error) == "lost"
            raise
        finally:
            if is_lost:
                # It leads to a server that is not the one to ask any more, and so may the others.
                connection.disconnect()
            pool.release(connection)
            if is_lost:
                pool.disconnect(inuse_connections=False)
        return replies

    @staticmethod
    def _connection(pool: Any) -> Any:
        try:
            return pool.get_connection()
        except TRANSPORT:
            raise
        except Exception as error:
            # redis-py gave it back without its handshake.
            pool.disconnect(inuse_connections=False)
            raise unconnected(error) from error

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
