"""The connections of a synchronous limiter to the nodes of a cluster in one process."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, TypeVar

from .._core import ProbeBackoff
from ..engine.node_command import NOT_ASKED, NodeFailure, has_left, merge_replies, node_of, split_by_node
from ..engine.operation import run
from .sync_executor import SyncExecutor
from .sync_session import SyncSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.cluster_engine import ClusterEngine
    from ..engine.commands import Command, Reply
    from ..engine.operation import Operation
    from ..engine.shard import Shard
    from .cluster_nodes import ClusterNodes

T = TypeVar("T")


class SyncClusterSession:
    """A session for each shard, and the search for the nodes. None of them survives a fork."""

    def __init__(self, engine: ClusterEngine, nodes: ClusterNodes) -> None:
        self.process_id = os.getpid()
        self._engine = engine
        self._nodes = nodes
        self._sessions: dict[str, SyncSession] = {}
        self._leaving: dict[SyncSession, threading.Timer] = {}
        """The sessions of shards that own no slots any more. They are closed when commands in progress have ended."""
        self._closed = threading.Event()
        self._lock = threading.RLock()
        self._refresh_thread: threading.Thread | None = None

    def start(self) -> None:
        """Reads the topology once, and in the background if no node replies. Probes each shard once."""
        if not self._refresh():
            self.start_probing()

    def run(self, operation: Operation[T]) -> T:
        """Runs an operation."""
        return run(operation, self._execute)

    def start_probing(self) -> None:
        """Starts to read the topology, unless that is in progress."""
        with self._lock:
            if self._closed.is_set() or (self._refresh_thread is not None and self._refresh_thread.is_alive()):
                return
            self._refresh_thread = threading.Thread(
                target=self._refresh_until_known, name="ratelog-topology", daemon=True
            )
            self._refresh_thread.start()

    def session_of(self, shard: Shard) -> SyncSession | None:
        """The session of a shard, which probes a new shard in the background; `None` after `close`."""
        session = self._sessions.get(shard.address)
        if session is None or session.engine is not shard:
            session = self._create_session(shard)
            if session is not None:
                session.start_probing()
        return session

    def close(self) -> None:
        """Closes the connections after the operations in progress. Later ones continue without a server."""
        with self._lock:
            self._closed.set()
            thread = self._refresh_thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            timers = list(self._leaving.values())
            sessions = {*self._sessions.values(), *self._leaving}
        for timer in timers:
            timer.cancel()
        for session in sessions:
            session.close()

    def _create_session(self, shard: Shard) -> SyncSession | None:
        with self._lock:
            session = self._sessions.get(shard.address)
            if self._closed.is_set() or (session is not None and session.engine is shard):
                return session
            if session is not None:
                self._close_later(session)
            settings = shard.settings
            session = self._sessions[shard.address] = SyncSession(
                shard,
                lambda: self._nodes.client("redis", shard.address, settings),
                max_connections=settings.max_connections,
                owns_client=True,
            )
            return session

    def _refresh_until_known(self) -> None:
        settings = self._engine.settings
        least, most = settings.probe_min_interval, settings.probe_max_interval
        for interval in ProbeBackoff(least, most):
            is_known = self._refresh()
            # Many checks may report a doubt at once.
            if self._closed.wait(next(ProbeBackoff(least, most)) if is_known else interval):
                return
            with self._lock:
                if is_known and not self._engine.is_in_doubt:
                    self._refresh_thread = None
                    return

    def _refresh(self) -> bool:
        """Reads the topology, and connects to new shards. Returns whether a node replied."""
        topology = run(self._engine.fetch_topology(), self._query)
        if topology is None:
            return False
        # Until new shards are connected, the old owners of their slots redirect to them.
        for shard in self._engine.shards.add(topology):
            known = self._sessions.get(shard.address)
            if known is None or known.engine is not shard:
                session = self._create_session(shard)
                if session is not None:
                    session.start()
        self._engine.install(topology)
        with self._lock:
            for address, session in self._sessions.items():
                if self._engine.shards.get(address) is None:
                    self._close_later(session)
        return True

    def _close_later(self, session: SyncSession) -> None:
        if session not in self._leaving and not self._closed.is_set():
            timer = threading.Timer(2 * self._engine.settings.timeout, self._close_dropped, [session])
            timer.daemon = True
            self._leaving[session] = timer
            timer.start()

    def _close_dropped(self, session: SyncSession) -> None:
        with self._lock:
            self._leaving.pop(session, None)
            for address in [address for address, one in self._sessions.items() if one is session]:
                del self._sessions[address]
        session.close()

    def _execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """Sends the commands of each node as one pipeline."""
        by_node = split_by_node(commands)
        replies = {address: self._execute_on(address, part) for address, part in by_node.items()}
        return replies[node_of(commands[0])] if len(replies) == 1 else merge_replies(commands, replies)

    def _execute_on(self, address: str, commands: Sequence[Command]) -> list[Reply]:
        shard = self._engine.shards.get(address)
        session = self._sessions.get(address) if shard is None else self.session_of(shard)
        if session is None:
            return [has_left(address)] * len(commands)
        try:
            return session.execute(commands)
        except Exception as error:  # noqa: BLE001 - the engine classifies it
            return [NodeFailure(error)] * len(commands)

    def _query(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """Asks nodes, which may be no shards, for the topology, until one of them knows it."""
        replies: list[Reply] = [NOT_ASKED] * len(commands)
        for index, command in enumerate(commands):
            replies[index] = reply = self._query_node(command)
            if isinstance(reply, list) and reply:
                break
        return replies

    def _query_node(self, command: Command) -> Reply:
        address = node_of(command)
        settings = self._engine.settings
        executor = SyncExecutor(
            lambda: self._nodes.client("redis", address, settings),
            owns_client=True,
            timeout=settings.timeout,
            max_connections=1,
        )
        try:
            return executor.execute([command])[0]
        except Exception as error:  # noqa: BLE001 - the engine classifies it
            return NodeFailure(error)
        finally:
            executor.close()
