"""The connections to one server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from ..engine.classify import TRANSPORT, absence_of, unconnected
from .compat import packed
from .within import within

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..engine.commands import Reply
    from .pool import Asked

WARM = 1.0
"""Seconds for which a connection is kept that is not in use: the pool looks at each that it lends, at some cost."""


class Connections:
    """Connections of a pool, each of which carries one batch at a time.

    One that is made takes its own time, not that of a check: those that are there carry what comes meanwhile.
    """

    def __init__(
        self, pool: Any, *, most: int, patience: float, on_made: Callable[[BaseException | None], None]
    ) -> None:
        """`on_made` hears that there may be one more to take, or why not; `patience` is how long making one may take,
        in seconds."""
        self._pool = pool
        self._most = most
        self._patience = patience
        self._on_made = on_made
        self._loop = asyncio.get_running_loop()
        self._warm: list[tuple[Any, float]] = []
        self._busy = 0
        self._making: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cooling = False

    def take(self) -> Any:
        """One that is ready. If there is none, one is made, if there may be more of them."""
        if self._warm:
            self._busy += 1
            return self._warm.pop()[0]
        if self._making is None and self._busy < self._most:
            self._making = self._background(self._make())
        return None

    def put(self, carrier: Any) -> None:
        """Keeps one that is in use no more; others may have the pool too, so not for long."""
        self._busy -= 1
        if self._busy + len(self._warm) >= self._most:
            self._background(self._pool.release(carrier))
            return
        if not self._is_cooling:
            self._is_cooling = True
            self._loop.call_later(WARM, self._cool)
        self._warm.append((carrier, self._loop.time() + WARM))

    async def carry(self, carrier: Any, asked: Asked) -> bool:
        """Not by redis-py's pipeline: it may send again what was not answered."""
        if not await _is_sound(carrier):
            await self._drop(carrier)
            return False
        is_lost = False
        try:
            words = packed(carrier, [command for commands, _ in asked for command in commands])
            await carrier.send_packed_command(words, check_health=False)
            for commands, future in asked:
                replies: list[Reply] = []
                for _ in commands:
                    try:
                        replies.append(await carrier.read_response())
                    except ResponseError as error:
                        is_lost = is_lost or absence_of(error) == "lost"
                        replies.append(error)
                if not future.done():
                    future.set_result(replies)
        except BaseException as error:
            # Replies may be under way that nobody is going to read.
            await self._drop(carrier)
            if absence_of(error) == "lost":
                self._background(self._drop_idle())
            raise
        if is_lost:
            # It leads to a server that is not the one to ask any more, and so may the others.
            await self._drop(carrier)
            await self._drop_idle()
        else:
            self.put(carrier)
        return True

    async def carry_alone(self, asked: Asked) -> None:
        """On one that the pool has looked at."""
        connection = await self._connection()
        self._busy += 1
        try:
            if not await self.carry(connection, asked):
                raise RedisConnectionError("the server closed the connection")
        finally:
            self._on_made(None)

    async def close(self) -> None:
        """Gives them back to the pool."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._warm:
            await self._pool.release(self._warm.pop()[0])

    async def _make(self) -> None:
        try:
            connection = await self._connection()
        except Exception as error:  # noqa: BLE001 - whoever waits for it hears of it
            self._making = None
            self._on_made(error)
        else:
            self._making = None
            self._busy += 1
            self.put(connection)
            self._on_made(None)

    async def _connection(self) -> Any:
        try:
            async with within(self._patience):
                return await self._pool.get_connection()
        except asyncio.TimeoutError as error:
            raise asyncio.TimeoutError(f"no connection within {self._patience:g} s") from error
        except TRANSPORT:
            raise
        except Exception as error:
            raise unconnected(error) from error

    def _cool(self) -> None:
        now = self._loop.time()
        cold = [connection for connection, until in self._warm if until <= now]
        self._warm = [(connection, until) for connection, until in self._warm if until > now]
        for connection in cold:
            self._background(self._pool.release(connection))
        self._is_cooling = bool(self._warm)
        if self._is_cooling:
            self._loop.call_later(WARM, self._cool)

    async def _drop(self, connection: Any) -> None:
        self._busy -= 1
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)

    async def _drop_idle(self) -> None:
        warm, self._warm = self._warm, []
        for connection, _ in warm:
            self._busy += 1
            await self._drop(connection)
        with contextlib.suppress(*TRANSPORT):
            await self._pool.disconnect(inuse_connections=False)

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _is_sound(connection: Any) -> bool:
    """Whether the server neither closed it nor said something that nobody asked for."""
    try:
        return not await connection.can_read()
    except TRANSPORT:
        return False
