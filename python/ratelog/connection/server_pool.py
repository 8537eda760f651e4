"""The connections to one server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from ..engine.classify import TRANSPORT_ERRORS, classify, connect_error
from .compat import can_read, get_connection, pack_commands, timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..engine.commands import Reply
    from .batch import PendingCommands

IDLE_TIMEOUT = 1.0
"""Seconds for which an idle connection is kept. redis-py's pool checks each connection that it lends."""


class ServerPool:
    """Connections of a redis-py pool. Each carries one batch at a time.

    Connections are opened in the background; existing ones carry the commands meanwhile.
    """

    def __init__(
        self,
        pool: Any,
        *,
        max_connections: int,
        connect_timeout: float,
        on_connected: Callable[[BaseException | None], None],
    ) -> None:
        """`on_connected` is called when a connection was added, or with the error if none could be opened."""
        self._pool = pool
        self._max_connections = max_connections
        self._connect_timeout = connect_timeout
        self._on_connected = on_connected
        self._loop = asyncio.get_running_loop()
        self._idle: list[tuple[Any, float]] = []
        self._busy = 0
        self._connecting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cleanup_scheduled = False

    def acquire(self) -> Any:
        """Returns an idle connection. If there is none, opens one unless the maximum is reached."""
        if self._idle:
            self._busy += 1
            return self._idle.pop()[0]
        if self._connecting is None and self._busy < self._max_connections:
            self._connecting = self._start_task(self._connect())
        return None

    def release(self, connection: Any) -> None:
        """Keeps a connection for `IDLE_TIMEOUT`, since others may use redis-py's pool, too."""
        self._busy -= 1
        if self._busy + len(self._idle) >= self._max_connections:
            self._start_task(self._pool.release(connection))
            return
        if not self._is_cleanup_scheduled:
            self._is_cleanup_scheduled = True
            self._loop.call_later(IDLE_TIMEOUT, self._release_idle)
        self._idle.append((connection, self._loop.time() + IDLE_TIMEOUT))

    async def send(self, connection: Any, pending: PendingCommands) -> bool:
        """Sends a pipeline. Does not use redis-py's, which may send a command again after a lost reply."""
        is_usable = False
        try:
            is_usable = await _is_usable(connection)
        finally:
            # Also if the command's time is over meanwhile: a connection that stays busy is lost.
            if not is_usable:
                await self._discard(connection)
        if not is_usable:
            return False
        is_lost = False
        try:
            packed = pack_commands(connection, [command for commands, _ in pending for command in commands])
            await connection.send_packed_command(packed, check_health=False)
            for commands, future in pending:
                replies: list[Reply] = []
                for _ in commands:
                    try:
                        replies.append(await connection.read_response())
                    except ResponseError as error:
                        is_lost = is_lost or classify(error) == "connection-lost"
                        replies.append(error)
                if not future.done():
                    future.set_result(replies)
        except BaseException as error:
            # Unread replies may be in transit, so the connection cannot be reused.
            await self._discard(connection)
            if classify(error) == "connection-lost":
                self._start_task(self._discard_idle())
            raise
        if is_lost:
            # The connection leads to a server that is no longer the primary, and the others may, too.
            await self._discard(connection)
            await self._discard_idle()
        else:
            self.release(connection)
        return True

    async def send_unpooled(self, pending: PendingCommands) -> None:
        """Sends a pipeline on a connection that redis-py's pool has just checked."""
        connection = await self._get_connection()
        self._busy += 1
        try:
            if not await self.send(connection, pending):
                raise RedisConnectionError("the server closed the connection")
        finally:
            self._on_connected(None)

    async def close(self) -> None:
        """Gives the idle connections back to redis-py's pool."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._idle:
            await self._pool.release(self._idle.pop()[0])

    async def _connect(self) -> None:
        try:
            connection = await self._get_connection()
        except Exception as error:  # noqa: BLE001 - passed to the commands that wait for the connection
            self._connecting = None
            self._on_connected(error)
        else:
            self._connecting = None
            self._busy += 1
            self.release(connection)
            self._on_connected(None)

    async def _get_connection(self) -> Any:
        try:
            async with timeout(self._connect_timeout):
                return await get_connection(self._pool)
        except asyncio.TimeoutError as error:
            raise asyncio.TimeoutError(f"no connection within {self._connect_timeout:g} s") from error
        except Exception as error:
            if classify(error) is not None:
                raise
            raise connect_error(error) from (None if isinstance(error, ResponseError) else error)

    def _release_idle(self) -> None:
        now = self._loop.time()
        expired = [connection for connection, until in self._idle if until <= now]
        self._idle = [(connection, until) for connection, until in self._idle if until > now]
        for connection in expired:
            self._start_task(self._pool.release(connection))
        self._is_cleanup_scheduled = bool(self._idle)
        if self._is_cleanup_scheduled:
            self._loop.call_later(IDLE_TIMEOUT, self._release_idle)

    async def _discard(self, connection: Any) -> None:
        self._busy -= 1
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)

    async def _discard_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            self._busy += 1
            await self._discard(connection)
        with contextlib.suppress(*TRANSPORT_ERRORS):
            await self._pool.disconnect(inuse_connections=False)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _is_usable(connection: Any) -> bool:
    """Whether the connection is open and has no unexpected data."""
    try:
        return not await can_read(connection)
    except TRANSPORT_ERRORS:
        return False
