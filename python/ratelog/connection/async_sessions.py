"""The sessions of an asynchronous limiter: one per event loop, since connections belong to an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine.cluster_engine import ClusterEngine
from ..engine.operation import no_server, run_async
from .async_cluster_session import AsyncClusterSession
from .async_session import AsyncSession
from .event_loop import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ..check import Check
    from ..engine.commands import Command, Reply
    from ..engine.engine import Engine
    from ..engine.operation import Operation
    from ..engine.shard import Shard

    Session = AsyncSession | AsyncClusterSession

T = TypeVar("T")


class AsyncSessions:
    """Runs operations in the session of the running event loop, which it starts on first use."""

    def __init__(self, engine: Engine, create_session: Callable[[], Session]) -> None:
        """`create_session` creates the session of the running event loop."""
        self._engine = engine
        self._create_session = create_session
        self._by_loop: dict[asyncio.AbstractEventLoop, Session] = {}
        self._last_used: Session | None = None
        engine.start_probing = self._start_probing
        engine.is_tracking = self._is_tracking
        if isinstance(engine, ClusterEngine):
            engine.start_probing_shard = self._start_probing_shard
            engine.cache_denial_of_shard = self._cache_denial_of_shard
            engine.is_shard_tracking = self._is_shard_tracking
        else:
            engine.cache_denial = self._cache_denial

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

    async def _start_session(self) -> Session:
        loop = running_loop()
        session = self._by_loop.get(loop)
        if session is None:
            # Other threads, with event loops of their own, may do the same.
            for other in list(self._by_loop):
                if other.is_closed():
                    self._by_loop.pop(other, None)
            session = self._by_loop[loop] = self._create_session()
        await session.started()
        if self._by_loop.get(loop) is session:
            self._last_used = session
        return session

    def _current(self) -> Session | None:
        return self._by_loop.get(asyncio.get_running_loop())

    def _start_probing(self) -> None:
        session = self._current()
        if session is not None:
            session.start_probing()

    def _cache_denial(self, check: Check) -> bool:
        session = self._current()
        return isinstance(session, AsyncSession) and session.cache_denial(check)

    def _is_tracking(self) -> bool:
        sessions = self._by_loop.copy().values()
        return bool(sessions) and all(session.is_tracking for session in sessions)

    def _session_of(self, shard: Shard) -> AsyncSession | None:
        session = self._current()
        return session.session_of(shard) if isinstance(session, AsyncClusterSession) else None

    def _start_probing_shard(self, shard: Shard) -> None:
        session = self._session_of(shard)
        if session is not None:
            session.start_probing()

    def _cache_denial_of_shard(self, shard: Shard, check: Check) -> bool:
        session = self._session_of(shard)
        return session is not None and session.cache_denial(check)

    def _is_shard_tracking(self, shard: Shard) -> bool:
        sessions = self._by_loop.copy().values()
        clusters = [session for session in sessions if isinstance(session, AsyncClusterSession)]
        return bool(clusters) and all(session.is_shard_tracking(shard) for session in clusters)


async def _no_server(commands: Sequence[Command]) -> Sequence[Reply]:
    return no_server(commands)
