"""The connections of a synchronous limiter in one process."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import ProbeBackoff
from ..engine.operation import run
from .sync_executor import SyncExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..engine.commands import Command, Reply
    from ..engine.engine import Engine
    from ..engine.operation import Operation

T = TypeVar("T")


class SyncSession:
    """An executor and the probes of an unavailable server. Neither survives a fork."""

    def __init__(
        self, engine: Engine, create_client: Callable[[], Any], *, max_connections: int, owns_client: bool
    ) -> None:
        """`owns_client` says whether to close the client with the session."""
        self.process_id = os.getpid()
        self.engine = engine
        self._executor = SyncExecutor(
            create_client,
            owns_client=owns_client,
            timeout=engine.settings.timeout,
            max_connections=max_connections,
        )
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._probe_thread: threading.Thread | None = None

    def start(self) -> None:
        """Probes the server once, and in the background if it is unavailable."""
        if not self._probe():
            self.start_probing()

    def run(self, operation: Operation[T]) -> T:
        """Runs an operation."""
        return run(operation, self._executor.execute)

    def execute(self, commands: Sequence[Command]) -> list[Reply]:
        """Sends commands. See `SyncExecutor.execute`."""
        return self._executor.execute(commands)

    def start_probing(self) -> None:
        """Starts to probe the server, unless probes are running."""
        with self._lock:
            if self._closed.is_set() or (self._probe_thread is not None and self._probe_thread.is_alive()):
                return
            self._probe_thread = threading.Thread(
                target=self._probe_until_available, name="ratelog-probes", daemon=True
            )
            self._probe_thread.start()

    def close(self) -> None:
        """Closes the connections after the operations in progress. Later ones continue without a server."""
        with self._lock:
            self._closed.set()
        # A probe in progress would find its connection without a socket.
        if self._probe_thread is not None and self._probe_thread is not threading.current_thread():
            self._probe_thread.join()
        self._executor.close()

    def _probe_until_available(self) -> None:
        settings = self.engine.settings
        for interval in ProbeBackoff(settings.probe_min_interval, settings.probe_max_interval):
            if self._closed.is_set() or self._probe() or self._closed.wait(interval):
                return

    def _probe(self) -> bool:
        return run(self.engine.probe(), self._executor.execute)
