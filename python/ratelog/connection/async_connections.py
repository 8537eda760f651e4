"""The connections of a session, which are closed with the session, its limiter or its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from ..engine.classify import LimiterClosedError
from .client import clients_of, is_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .async_executor import AsyncExecutor
    from .invalidation import InvalidationListener


class AsyncConnections:
    """A client of redis-py and the objects that use its connections, in one event loop.

    An application may drop its limiter or end its event loop without `aclose`. asyncio finalizes asynchronous
    generators before it closes an event loop (`loop.shutdown_asyncgens`), so a generator closes the connections.
    """

    def __init__(
        self, client: Any, executor: AsyncExecutor, invalidations: InvalidationListener | None, *, owns_client: bool
    ) -> None:
        """`owns_client` says whether to close the client, too."""
        self._client = client
        self._executor = executor
        self._invalidations = invalidations
        self._owns_client = owns_client
        self._closer = self._close_at_end()
        self._finalizer: weakref.finalize[..., object] | None = None
        self._close_task: asyncio.Task[None] | None = None

    async def open(self, owner: object) -> None:
        """Arranges for the connections to be closed with `owner` and with the event loop."""
        await anext(self._closer)
        # Holds the connections until then: the garbage collector may find `owner` and them at once.
        self._finalizer = weakref.finalize(owner, self._close_soon, asyncio.get_running_loop())
        self._finalizer.atexit = False

    async def close(self) -> None:
        """Closes the connections. Commands in progress fail with `LimiterClosedError`."""
        if self._finalizer is None:
            # `open` was never called: the generator has not begun, so it closes nothing.
            await self._close_all()
        await self._closer.aclose()

    async def _close_at_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if self._finalizer is not None:
                self._finalizer.detach()
            try:
                await self._close_all()
            except asyncio.CancelledError:
                # asyncio.run cancels the tasks that are left, also that of `_close_soon`.
                await self._close_all()
                raise

    async def _close_all(self) -> None:
        if self._invalidations is not None:
            await self._invalidations.close()
        await self._executor.close(LimiterClosedError("the limiter was closed"))
        if self._owns_client:
            if is_cluster(self._client):
                # A second `aclose` does nothing, even if the first one was cancelled.
                await self._client.nodes_manager.aclose()
                await self._client.nodes_manager.aclose("startup_nodes")
            for client in clients_of(self._client):
                await client.aclose()

    def _close_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Closes the connections in `loop`. The garbage collector may call it in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._start_to_close)

    def _start_to_close(self) -> None:
        self._close_task = asyncio.get_running_loop().create_task(self.close())
