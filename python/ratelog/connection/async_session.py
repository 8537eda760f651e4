"""A limiter's stay in one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Probes
from ..engine.classify import LimiterClosedError
from ..engine.operation import run_async
from .async_executor import AsyncLink
from .invalidation import Watcher
from .target import clients_of, lanes_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ..engine.commands import Command, Reply
    from ..engine.engine import Engine
    from ..engine.operation import Flow

T = TypeVar("T")


class AsyncSession:
    """Its connections there, what is told of denials, and the search for a server that is away."""

    def __init__(self, engine: Engine, client: Any, *, owns: bool) -> None:
        """Begins at once; whether `owns`, the client is closed with it."""
        settings = engine.settings
        self.loop = asyncio.get_running_loop()
        self.watcher: Watcher | None = None
        self._engine = engine
        self._client = client
        self._owns = owns
        if engine.denials is not None and not engine.cluster:
            self.watcher = Watcher(client, engine.denials, lambda: engine.server.dialect, settings)
        self._link = AsyncLink(
            client,
            cluster=engine.cluster,
            timeout=settings.timeout,
            connect_timeout=settings.connect_timeout,
            lanes=lanes_of(client, settings.pool_size),
        )
        self._is_closed = False
        self._searching: asyncio.Task[None] | None = None
        self._beginning = self.loop.create_task(self._begin())

    async def begun(self) -> None:
        """Waits until the server was asked a first question."""
        # Whoever waits for it may give up; the others still wait.
        await asyncio.wait([self._beginning])
        if not self._beginning.cancelled():
            self._beginning.result()

    def drive(self, flow: Flow[T]) -> Coroutine[Any, Any, T]:
        """The outcome of a flow."""
        return run_async(flow, self._link.ask)

    def search(self) -> None:
        """Has the server looked for, unless it is."""
        if not self._is_closed and (self._searching is None or self._searching.done()):
            self._searching = self.loop.create_task(self._search())

    async def close(self) -> None:
        """Ends it: what is under way goes on without a server."""
        self._is_closed = True
        tasks = [task for task in (self._beginning, self._searching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.watcher is not None:
            await self.watcher.close()
        await self._link.close(LimiterClosedError("the limiter was closed"))
        if self._owns:
            for client in clients_of(self._client):
                await client.aclose()

    async def _begin(self) -> None:
        if not await self._probe():
            self.search()

    async def _search(self) -> None:
        settings = self._engine.settings
        for wait in Probes(settings.probe_min, settings.probe_max):
            # Another event loop may have found it.
            if self._engine.breaker.is_closed or await self._probe():
                return
            await asyncio.sleep(wait)

    def _probe(self) -> Coroutine[Any, Any, bool]:
        return run_async(self._engine.probe(), self._ask_patiently)

    async def _ask_patiently(self, commands: Sequence[Command]) -> list[Reply]:
        return await self._link.ask_alone(commands, self._engine.settings.connect_timeout)
