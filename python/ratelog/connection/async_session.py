"""The connections of a limiter in one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._core import ProbeBackoff
from ..engine.operation import run_async
from .async_connections import AsyncConnections
from .async_executor import AsyncExecutor
from .client import max_connections_of
from .invalidation import InvalidationListener

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ..check import Check
    from ..engine.commands import Command, Reply
    from ..engine.engine import Engine
    from ..engine.operation import AsyncExecute


class AsyncSession:
    """An executor, a listener for invalidations, and the probes of an unavailable server."""

    def __init__(self, engine: Engine, client: Any, *, owns_client: bool) -> None:
        """Starts at once. `owns_client` says whether to close the client with the session."""
        settings = engine.settings
        self.loop = asyncio.get_running_loop()
        self.invalidations: InvalidationListener | None = None
        self.engine = engine
        if engine.deny_cache is not None:
            self.invalidations = InvalidationListener(client, engine.deny_cache, settings)
        self._executor = AsyncExecutor(
            client,
            timeout=settings.timeout,
            connect_timeout=settings.connect_timeout,
            max_connections=max_connections_of(client, settings.max_connections),
        )
        self.execute: AsyncExecute = self._executor.execute
        """Executes the commands of an operation."""
        self._connections = AsyncConnections(client, self._executor, self.invalidations, owns_client=owns_client)
        self._is_closed = False
        self._probe_task: asyncio.Task[None] | None = None
        self._start_task = self.loop.create_task(self._start())

    @property
    def is_tracking(self) -> bool:
        """Whether the server reports changed keys."""
        return self.invalidations is not None and self.invalidations.is_tracking

    async def started(self) -> None:
        """Waits for the answer to the first probe."""
        # One caller may be cancelled while others still wait for the task.
        await asyncio.wait([self._start_task])
        if not self._start_task.cancelled():
            self._start_task.result()

    async def execute_unbatched(self, commands: Sequence[Command], timeout: float) -> list[Reply]:
        """Sends commands. See `AsyncExecutor.execute_unbatched`."""
        return await self._executor.execute_unbatched(commands, timeout)

    def cache_denial(self, check: Check) -> bool:
        """Caches a denial that the server will invalidate. Returns false if the server does not report changed keys."""
        return self.invalidations is not None and self.invalidations.cache_denial(check, self.engine.backend.dialect)

    def start_probing(self) -> None:
        """Starts to probe the server, unless probes are running."""
        if not self._is_closed and (self._probe_task is None or self._probe_task.done()):
            self._probe_task = self.loop.create_task(self._probe_until_available())

    async def close(self) -> None:
        """Closes the connections. Operations in progress continue without a server."""
        self._is_closed = True
        tasks = [task for task in (self._start_task, self._probe_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connections.close()

    async def _start(self) -> None:
        await self._connections.open(self)
        if not await self._probe():
            self.start_probing()

    async def _probe_until_available(self) -> None:
        settings = self.engine.settings
        for interval in ProbeBackoff(settings.probe_min_interval, settings.probe_max_interval):
            # redis-py may lose the cancellation of `close`. Another event loop may have closed the breaker.
            if self._is_closed or self.engine.breaker.is_closed or await self._probe():
                return
            await asyncio.sleep(interval)

    def _probe(self) -> Coroutine[Any, Any, bool]:
        return run_async(self.engine.probe(), self._execute_probe)

    async def _execute_probe(self, commands: Sequence[Command]) -> list[Reply]:
        return await self._executor.execute_unbatched(commands, self.engine.settings.connect_timeout)
