"""The sessions of an asynchronous limiter: one per event loop, since connections belong to an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine.operation import no_server, run_async
from .async_session import AsyncSession
from .event_loop import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ..check import Check
    from ..engine.commands import Command, Reply
    from ..engine.engine import Engine
    from ..engine.operation import Operation

T = TypeVar("T")


class AsyncSessions:
    """Runs operations in the session of the running event loop, which it starts on first use."""

    def __init__(self, engine: Engine, create_client: Callable[[], Any], *, owns_clients: bool) -> None:
        """`owns_clients` says whether to close each client with its session."""
        self._engine = engine
        self._create_client = create_client
        self._owns_clients = owns_clients
        self._by_loop: dict[asyncio.AbstractEventLoop, AsyncSession] = {}
        self._last_used: AsyncSession | None = None
        engine.start_probing = self._start_probing
        engine.cache_denial = self._cache_denial
        engine.is_tracking = self._is_tracking

    def run(self, operation: Operation[T]) -> Coroutine[Any, Any, T]:
        """Runs an operation."""
        if not self._engine.remote:
            return run_async(operation, _no_server)
        session = self._last_used
        if session is None or session.loop is not running_loop():
            return self._start_and_run(operation)
        return run_async(operation, session.execute)

    async def start(self) -> None:
        """Connects to the server and waits for its first answer."""
        if self._engine.remote:
            await self._start_session()

    async def aclose(self) -> None:
        """Closes the session of the running event loop."""
        if not self._engine.remote:
            return
        loop = running_loop()
        if self._last_used is not None and self._last_used.loop is loop:
            self._last_used = None
        session = self._by_loop.pop(loop, None)
        if session is not None:
            await session.close()

    async def _start_and_run(self, operation: Operation[T]) -> T:
        return await run_async(operation, (await self._start_session()).execute)

    async def _start_session(self) -> AsyncSession:
        loop = running_loop()
        session = self._by_loop.get(loop)
        if session is None:
            for closed in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[closed]
            session = AsyncSession(self._engine, self._create_client(), owns_client=self._owns_clients)
            self._by_loop[loop] = session
        await session.started()
        if self._by_loop.get(loop) is session:
            self._last_used = session
        return session

    def _current(self) -> AsyncSession | None:
        return self._by_loop.get(asyncio.get_running_loop())

    def _start_probing(self) -> None:
        session = self._current()
        if session is not None:
            session.start_probing()

    def _cache_denial(self, check: Check) -> bool:
        session = self._current()
        listener = session.invalidations if session is not None else None
        return listener is not None and listener.cache_denial(check, self._engine.backend.dialect)

    def _is_tracking(self) -> bool:
        listeners = [session.invalidations for session in self._by_loop.copy().values()]
        return bool(listeners) and all(listener is not None and listener.is_tracking for listener in listeners)


async def _no_server(commands: Sequence[Command]) -> Sequence[Reply]:
    return no_server(commands)
