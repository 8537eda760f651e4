"""Sends commands to one server through redis-py's asyncio client.

Commands of one event loop iteration are sent as one pipeline on one connection, in the same iteration. Commands that
arrive while all connections are busy are sent together as soon as one is idle. A busy process therefore pays redis-py's
overhead once for many checks, and a single check never waits for others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..engine.classify import TRANSPORT_ERRORS, LimiterClosedError
from .batch import Batch
from .compat import timeout as timeout_after
from .server_pool import ServerPool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.commands import Command, Reply


class AsyncExecutor:
    """Executes commands in batches, on the connections of one client in one event loop."""

    def __init__(self, client: Any, *, timeout: float, connect_timeout: float, max_connections: int) -> None:
        """`timeout` and `connect_timeout` are seconds. At most `max_connections` batches are in progress at once."""
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._next: Batch | None = None
        self._in_progress: set[Batch] = set()
        self._close_error: BaseException | None = None
        self._pool = ServerPool(
            client.connection_pool,
            max_connections=max_connections,
            connect_timeout=connect_timeout,
            on_connected=self._on_connected,
        )

    def execute(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        """Returns the replies, in which errors of the server are exceptions. Fails after the timeout."""
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        if self._close_error is not None:
            future.set_exception(self._close_error)
            return future
        batch = self._next
        if batch is None:
            batch = self._next = Batch(self._loop.time() + self._timeout)
            batch.timer = self._loop.call_at(batch.deadline, self._expire, batch)
            self._loop.call_soon(self._send_next)
        batch.pending.append((commands, future))
        return future

    async def execute_unbatched(self, commands: Sequence[Command], timeout: float) -> list[Reply]:
        """Executes commands outside of any batch, with a timeout of their own (seconds)."""
        if self._close_error is not None:
            raise self._close_error
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        async with timeout_after(timeout):
            await self._pool.send_unpooled([(commands, future)])
        return await future

    async def close(self, error: BaseException) -> None:
        """Fails all commands in progress, and all later ones, with `error`."""
        self._close_error = error
        if self._next is not None:
            self._next.fail(error)
            self._next = None
        tasks = []
        for batch in self._in_progress:
            batch.fail(error)
            if batch.task is not None:
                batch.task.cancel()
                tasks.append(batch.task)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.close()

    def _send_next(self) -> None:
        batch = self._next
        if batch is None:
            return
        connection = self._pool.acquire()
        if connection is None:
            return
        self._next = None
        self._in_progress.add(batch)
        batch.task = self._loop.create_task(self._send(batch, connection))
        batch.task.add_done_callback(lambda task: self._on_sent(batch, connection, task))

    def _on_sent(self, batch: Batch, connection: Any, task: asyncio.Task[None]) -> None:
        self._in_progress.discard(batch)
        if task.cancelled() and not batch.is_started:
            self._pool.release(connection)
        self._send_next()

    def _on_connected(self, error: BaseException | None) -> None:
        """A connection was added or could not be opened. With other connections busy, commands wait for those."""
        if error is None:
            self._send_next()
        elif self._next is not None and not self._in_progress:
            batch, self._next = self._next, None
            batch.fail(error)

    async def _send(self, batch: Batch, connection: Any) -> None:
        batch.is_started = True
        try:
            if await self._pool.send(connection, batch.pending):
                batch.finish()
            else:
                self._requeue(batch)
        except TRANSPORT_ERRORS as error:
            batch.fail(error)
        except asyncio.CancelledError:
            batch.fail(LimiterClosedError("the event loop is closing"))
            raise
        except BaseException as error:
            batch.fail(ConnectionAbortedError(type(error).__name__))
            raise

    def _requeue(self, batch: Batch) -> None:
        """Queues a batch that was not sent, with the commands that arrived since. They share its earlier deadline."""
        if self._next is not None:
            self._next.timer.cancel()
            batch.pending += self._next.pending
        batch.is_started = False
        batch.task = None
        self._next = batch

    def _expire(self, batch: Batch) -> None:
        delay = self._loop.time() - batch.deadline
        if not batch.is_extended:
            # The event loop was blocked for this long. The server may have replied meanwhile, so wait as long again.
            batch.is_extended = True
            batch.timer = self._loop.call_later(min(max(delay, 0.0), self._timeout), self._expire, batch)
            return
        if self._next is batch:
            self._next = None
        batch.fail(asyncio.TimeoutError(f"no reply within {self._timeout:g} s"))
        if batch.task is not None:
            batch.task.cancel()
