"""Asking through redis-py's asyncio client.

What is asked within one turn of the event loop goes out together, as one pipeline on one connection, in that same turn;
what comes while all connections are busy goes out together as soon as one is free. So a busy process pays redis-py's
cost once for many checks, and a lone check waits for nobody.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from ..failure import TRANSPORT, LimiterClosedError
from .packing import packed
from .placing import UNPLACED, nodes_for

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ..commands import Command, Reply


WARM = 1.0
"""Seconds for which a connection is taken to be there without a look: the pool looks at each, at some cost."""


Asked = list[tuple["Sequence[Command]", "asyncio.Future[list[Reply]]"]]


class Batch:
    """What goes out together, and by when it has to be answered."""

    __slots__ = ("asked", "is_over", "task", "timer")

    timer: asyncio.TimerHandle

    def __init__(self) -> None:
        self.asked: Asked = []
        self.task: asyncio.Task[None] | None = None
        self.is_over = False

    def fail(self, error: BaseException) -> None:
        """Nothing more will be answered."""
        self.end()
        for _, future in self.asked:
            if not future.done():
                future.set_exception(error)

    def end(self) -> None:
        """Everything is answered that will be."""
        self.is_over = True
        self.timer.cancel()


class AsyncLink:
    """Batches over the connections of one client, which belongs to one event loop."""

    def __init__(self, client: Any, *, cluster: bool, timeout: float, lanes: int) -> None:
        self._client = client
        self._timeout = timeout
        self._free = lanes
        self._exchange = self._of_cluster if cluster else self._of_server
        self._loop = asyncio.get_running_loop()
        self._next: Batch | None = None
        self._under_way: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._warm: list[tuple[Any, float]] = []
        self._is_cooling = False

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        """The replies to `commands`, errors of the server among them as exceptions; within the timeout."""
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        batch = self._next
        if batch is None:
            batch = self._next = Batch()
            batch.timer = self._loop.call_later(self._timeout, self._expire, batch)
            if self._free:
                self._loop.call_soon(self._send)
        batch.asked.append((commands, future))
        return future

    async def ask_alone(self, commands: Sequence[Command], timeout: float) -> list[Reply]:
        """The same, beside all batches, and as patiently as told."""
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        await asyncio.wait_for(self._exchange([(commands, future)]), timeout)
        return await future

    async def close(self, error: BaseException) -> None:
        """Ends what is under way, with `error`."""
        if self._next is not None:
            self._next.fail(error)
            self._next = None
        for batch in self._under_way:
            batch.fail(error)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._warm:
            await self._client.connection_pool.release(self._warm.pop()[0])

    def _send(self) -> None:
        batch = self._next
        if batch is None or not self._free:
            return
        self._next = None
        self._free -= 1
        self._under_way.add(batch)
        batch.task = self._background(self._carry(batch))
        # Not by the task itself: one that is cancelled before its first step never runs.
        batch.task.add_done_callback(lambda _: self._carried(batch))

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _carried(self, batch: Batch) -> None:
        self._under_way.discard(batch)
        self._free += 1
        self._send()

    async def _carry(self, batch: Batch) -> None:
        try:
            await self._exchange(batch.asked)
            batch.end()
        except TRANSPORT as error:
            batch.fail(error)
        except asyncio.CancelledError:
            batch.fail(LimiterClosedError("the event loop ends"))
            raise
        except BaseException as error:
            batch.fail(ConnectionAbortedError(type(error).__name__))
            raise

    def _expire(self, batch: Batch) -> None:
        if self._next is batch:
            self._next = None
        batch.fail(asyncio.TimeoutError(f"no reply within {self._timeout:g} s"))
        if batch.task is not None:
            batch.task.cancel()

    async def _of_server(self, asked: Asked) -> None:
        """A batch on a connection of its own. Not by redis-py's pipeline: it may send again what was not answered."""
        connection = await self._take()
        try:
            words = packed(connection, [command for commands, _ in asked for command in commands])
            await connection.send_packed_command(words, check_health=False)
            for commands, future in asked:
                replies = [await _read(connection) for _ in commands]
                if not future.done():
                    future.set_result(replies)
        except BaseException:
            # Replies may be under way that nobody is going to read.
            await connection.disconnect(nowait=True)
            await self._client.connection_pool.release(connection)
            raise
        if not self._is_cooling:
            self._is_cooling = True
            self._loop.call_later(WARM, self._cool)
        self._warm.append((connection, self._loop.time() + WARM))

    def _cool(self) -> None:
        """Gives back to the pool what was not in use for a while; others may have the client too."""
        now = self._loop.time()
        cold = [connection for connection, until in self._warm if until <= now]
        self._warm = [(connection, until) for connection, until in self._warm if until > now]
        for connection in cold:
            self._background(self._client.connection_pool.release(connection))
        self._is_cooling = bool(self._warm)
        if self._is_cooling:
            self._loop.call_later(WARM, self._cool)

    async def _take(self) -> Any:
        """A connection: one that was in use just now, or one that the pool has looked at or makes."""
        pool = self._client.connection_pool
        while self._warm:
            connection, until = self._warm.pop()
            if self._loop.time() < until and not await _is_stale(connection):
                return connection
            await pool.release(connection)
        return await pool.get_connection()

    async def _of_cluster(self, asked: Asked) -> None:
        keyed = [command for commands, _ in asked for command in commands if command[0] not in UNPLACED]
        replies = iter(await self._of_shards(keyed))
        for commands, future in asked:
            answered: list[Reply] = [
                await self._of_any(command) if command[0] in UNPLACED else next(replies) for command in commands
            ]
            if not future.done():
                future.set_result(answered)

    async def _of_shards(self, commands: Sequence[Command]) -> Sequence[Reply]:
        if not commands:
            return ()
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Reply] = await pipeline.execute(raise_on_error=False)
        return replies

    async def _of_any(self, command: Command) -> Reply:
        await self._client.initialize()
        try:
            reply: Reply = await self._client.execute_command(*command, target_nodes=nodes_for(self._client, command))
        except ResponseError as error:
            return error
        return reply


async def _is_stale(connection: Any) -> bool:
    """Whether the server closed it, or said something that nobody asked for; the pool then mends it."""
    try:
        return bool(await connection.can_read())
    except TRANSPORT:
        return True


async def _read(connection: Any) -> Reply:
    try:
        reply: Reply = await connection.read_response()
    except ResponseError as error:
        return error
    return reply
