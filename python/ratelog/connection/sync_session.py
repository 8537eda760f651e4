"""A limiter's stay in one process."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Probes
from ..engine.operation import run
from .sync_executor import SyncLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.engine import Engine
    from ..engine.operation import Flow

T = TypeVar("T")


class SyncSession:
    """Its connections, and the search for a server that is away: neither outlives a fork."""

    def __init__(self, engine: Engine, connect: Callable[[], Any], *, lanes: int, owns: bool) -> None:
        """`connect` makes the client; whether `owns`, it is closed with the session."""
        self.process = os.getpid()
        self._engine = engine
        self._owns = owns
        self._link = SyncLink(connect, cluster=engine.cluster, timeout=engine.settings.timeout, lanes=lanes)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._searching: threading.Thread | None = None

    def begin(self) -> None:
        """Asks the server a first question."""
        if not self._probe():
            self.search()

    def drive(self, flow: Flow[T]) -> T:
        """The outcome of a flow."""
        return run(flow, self._link.ask)

    def search(self) -> None:
        """Has the server looked for, unless it is."""
        with self._lock:
            if self._closed.is_set() or (self._searching is not None and self._searching.is_alive()):
                return
            self._searching = threading.Thread(target=self._search, name="ratelog-probes", daemon=True)
            self._searching.start()

    def close(self) -> None:
        """Ends it: what is under way is answered, what comes later goes on without a server."""
        with self._lock:
            self._closed.set()
        # A probe that is under way would meet a connection without a socket.
        if self._searching is not None and self._searching is not threading.current_thread():
            self._searching.join()
        self._link.close(closes_client=self._owns)

    def _search(self) -> None:
        settings = self._engine.settings
        for wait in Probes(settings.probe_min, settings.probe_max):
            if self._closed.is_set() or self._probe() or self._closed.wait(wait):
                return

    def _probe(self) -> bool:
        return run(self._engine.probe(), self._link.ask)
