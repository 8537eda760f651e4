"""Sends commands to one server through redis-py's blocking client, from any number of threads."""

from __future__ import annotations

import os
import weakref
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.exceptions import ResponseError

from ..engine.classify import LimiterClosedError, classify, connect_error
from .client import clients_of
from .compat import get_connection, pack_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..engine.commands import Command, Reply


class SyncExecutor:
    """Executes each operation's commands as one pipeline, on the connections of one client."""

    def __init__(
        self,
        create_client: Callable[[], Any],
        *,
        owns_client: bool,
        timeout: float,
        max_connections: int,
    ) -> None:
        """`create_client` is called on first use.

        A client that is owned is closed with the executor, also by the garbage collector or when the program exits.
        """
        self._create_client = create_client
        self._owns_client = owns_client
        self._close_client: Callable[[], object] = lambda: None
        self._created_client: Any = None
        self._client_lock = Lock()
        self._timeout = timeout
        self._max_connections = max_connections
        self._semaphore = BoundedSemaphore(max_connections)
        self._is_closed = False

    def execute(self, commands: Sequence[Command]) -> list[Reply]:
        """Returns the replies, in which errors of the server are exceptions. Fails after the client's timeout."""
        self._raise_if_closed()
        if not self._semaphore.acquire(timeout=self._timeout):
            self._raise_if_closed()
            raise exceptions.TimeoutError(f"no connection was free within {self._timeout:g} s")
        try:
            self._raise_if_closed()
            return self._send(commands)
        finally:
            self._semaphore.release()

    @property
    def _client(self) -> Any:
        if self._created_client is None:
            with self._client_lock:
                # Another thread may have created it.
                if self._created_client is None:
                    client = self._create_client()
                    if self._owns_client:
                        self._close_client = weakref.finalize(self, _close, client, os.getpid())
                    self._created_client = client
        return self._created_client

    def close(self) -> None:
        """Rejects new commands, waits for those in progress up to the timeout, and closes the client if it is owned."""
        self._is_closed = True
        deadline = monotonic() + self._timeout
        taken = 0
        while taken < self._max_connections and self._semaphore.acquire(timeout=max(0.0, deadline - monotonic())):
            taken += 1
        self._close_client()
        # Threads that wait for a connection meanwhile are rejected at once.
        if taken:
            self._semaphore.release(taken)

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise LimiterClosedError("the limiter was closed")

    def _send(self, commands: Sequence[Command]) -> list[Reply]:
        """Sends a pipeline. Does not use redis-py's, which may send a command again after a lost reply."""
        pool = self._client.connection_pool
        connection = self._get_connection(pool)
        is_lost = False
        replies: list[Reply] = []
        try:
            connection.send_packed_command(pack_commands(connection, commands), check_health=False)
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    is_lost = is_lost or classify(error) == "connection-lost"
                    replies.append(error)
        except BaseException as error:
            # Unread replies may be in transit, so the connection cannot be reused.
            connection.disconnect()
            is_lost = classify(error) == "connection-lost"
            raise
        finally:
            if is_lost:
                # The connection leads to a server that is no longer the primary, and the others may, too.
                connection.disconnect()
            pool.release(connection)
            if is_lost:
                pool.disconnect(inuse_connections=False)
        return replies

    @staticmethod
    def _get_connection(pool: Any) -> Any:
        try:
            return get_connection(pool)
        except Exception as error:
            if classify(error) is not None:
                raise
            # redis-py returned the connection to its pool before the handshake was complete.
            pool.disconnect(inuse_connections=False)
            raise connect_error(error) from (None if isinstance(error, ResponseError) else error)


def _close(client: Any, process_id: int) -> None:
    """Closes a client, but not in a fork: another thread may have held the locks of its pool."""
    if process_id == os.getpid():
        for one in clients_of(client):
            one.close()
