"""Asking through redis-py's asyncio client.

What is asked within one turn of the event loop goes out together, as one pipeline on one connection, in that same turn;
what comes while all connections are busy goes out together as soon as one is free. So a busy process pays redis-py's
cost once for many checks, and a lone check waits for nobody.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..engine.classify import TRANSPORT, LimiterClosedError
from .batch import Batch
from .cluster_pool import ClusterClient
from .server_pool import Connections
from .within import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.commands import Command, Reply
    from .pool import Carriers


class AsyncLink:
    """Batches over the connections of one client, which belongs to one event loop."""

    def __init__(self, client: Any, *, cluster: bool, timeout: float, connect_timeout: float, lanes: int) -> None:
        """`timeout` and `connect_timeout` in seconds; as many batches as `lanes` are under way at once."""
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._next: Batch | None = None
        self._under_way: set[Batch] = set()
        self._closed: BaseException | None = None
        self._carriers: Carriers = (
            ClusterClient(client, most=lanes)
            if cluster
            else Connections(client.connection_pool, most=lanes, patience=connect_timeout, on_made=self._made)
        )

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        """The replies to `commands`, errors of the server among them as exceptions; within the timeout."""
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        if self._closed is not None:
            future.set_exception(self._closed)
            return future
        batch = self._next
        if batch is None:
            batch = self._next = Batch(self._loop.time() + self._timeout)
            batch.timer = self._loop.call_at(batch.due, self._expire, batch)
            self._loop.call_soon(self._send)
        batch.asked.append((commands, future))
        return future

    async def ask_alone(self, commands: Sequence[Command], timeout: float) -> list[Reply]:
        """The same, beside all batches, and as patiently as told."""
        if self._closed is not None:
            raise self._closed
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        async with within(timeout):
            await self._carriers.carry_alone([(commands, future)])
        return await future

    async def close(self, error: BaseException) -> None:
        """Ends what is under way, with `error`, and whatever is asked from now on."""
        self._closed = error
        if self._next is not None:
            self._next.fail(error)
            self._next = None
        tasks = []
        for batch in self._under_way:
            batch.fail(error)
            if batch.task is not None:
                batch.task.cancel()
                tasks.append(batch.task)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._carriers.close()

    def _send(self) -> None:
        batch = self._next
        if batch is None:
            return
        carrier = self._carriers.take()
        if carrier is None:
            return
        self._next = None
        self._under_way.add(batch)
        batch.task = self._loop.create_task(self._carry(batch, carrier))
        batch.task.add_done_callback(lambda task: self._carried(batch, carrier, task))

    def _carried(self, batch: Batch, carrier: Any, task: asyncio.Task[None]) -> None:
        self._under_way.discard(batch)
        if task.cancelled() and not batch.is_begun:
            self._carriers.put(carrier)
        self._send()

    def _made(self, error: BaseException | None) -> None:
        """There is one more connection, or one could not be made: what waits may wait for those that are busy."""
        if error is None:
            self._send()
        elif self._next is not None and not self._under_way:
            batch, self._next = self._next, None
            batch.fail(error)

    async def _carry(self, batch: Batch, carrier: Any) -> None:
        batch.is_begun = True
        try:
            if await self._carriers.carry(carrier, batch.asked):
                batch.end()
            else:
                self._put_back(batch)
        except TRANSPORT as error:
            batch.fail(error)
        except asyncio.CancelledError:
            batch.fail(LimiterClosedError("the event loop ends"))
            raise
        except BaseException as error:
            batch.fail(ConnectionAbortedError(type(error).__name__))
            raise

    def _put_back(self, batch: Batch) -> None:
        """It was not sent: what came after it goes along, and is due with it, a turn of the event loop too early."""
        if self._next is not None:
            self._next.timer.cancel()
            batch.asked += self._next.asked
        batch.is_begun = False
        batch.task = None
        self._next = batch

    def _expire(self, batch: Batch) -> None:
        late = self._loop.time() - batch.due
        if not batch.is_extended:
            # So long the event loop stood still, which says nothing of the server: it may have replied meanwhile.
            batch.is_extended = True
            batch.timer = self._loop.call_later(min(max(late, 0.0), self._timeout), self._expire, batch)
            return
        if self._next is batch:
            self._next = None
        batch.fail(asyncio.TimeoutError(f"no reply within {self._timeout:g} s"))
        if batch.task is not None:
            batch.task.cancel()
