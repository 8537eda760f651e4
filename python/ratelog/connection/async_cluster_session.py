"""The connections of a limiter to the nodes of a cluster in one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .._core import ProbeBackoff
from ..engine.node_command import NOT_ASKED, NodeFailure, has_left, merge_replies, node_of, split_by_node
from ..engine.operation import run_async
from .async_connections import AsyncConnections
from .async_executor import AsyncExecutor
from .async_session import AsyncSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.cluster_engine import ClusterEngine
    from ..engine.commands import Command, Reply
    from ..engine.shard import Shard
    from .cluster_nodes import ClusterNodes


class AsyncClusterSession:
    """A session for each shard, and the search for the nodes."""

    def __init__(self, engine: ClusterEngine, nodes: ClusterNodes) -> None:
        """Starts at once."""
        self.loop = asyncio.get_running_loop()
        self._engine = engine
        self._nodes = nodes
        self._sessions: dict[str, AsyncSession] = {}
        self._leaving: dict[AsyncSession, asyncio.Task[None]] = {}
        """The sessions of shards that own no slots any more. They are closed when commands in progress have ended."""
        self._shards_version = 0
        """The version of the shards for which sessions were closed last. Another event loop may drop shards."""
        self._is_closed = False
        self._refresh_task: asyncio.Task[None] | None = None
        self._start_task = self.loop.create_task(self._start())

    @property
    def is_tracking(self) -> bool:
        """Whether all shards report changed keys."""
        shards = self._engine.shards.owners()
        return bool(shards) and all(self.is_shard_tracking(shard) for shard in shards)

    async def started(self) -> None:
        """Waits until the topology was read, and for the answers of the shards to the first probes."""
        # One caller may be cancelled while others still wait for the task.
        await asyncio.wait([self._start_task])
        if not self._start_task.cancelled():
            self._start_task.result()

    def start_probing(self) -> None:
        """Starts to read the topology, unless that is in progress."""
        if not self._is_closed and (self._refresh_task is None or self._refresh_task.done()):
            self._refresh_task = self.loop.create_task(self._refresh_until_known())

    def session_of(self, shard: Shard) -> AsyncSession | None:
        """The session of a shard; `None` after `close`."""
        session = self._sessions.get(shard.address)
        if session is None or session.engine is not shard:
            if self._is_closed:
                return None
            if session is not None:
                self._close_later(session)
            client = self._nodes.client("redis.asyncio", shard.address, shard.settings)
            session = self._sessions[shard.address] = AsyncSession(shard, client, owns_client=True)
        return session

    def is_shard_tracking(self, shard: Shard) -> bool:
        """Whether a shard reports changed keys."""
        session = self._sessions.get(shard.address)
        return session is not None and session.is_tracking

    async def close(self) -> None:
        """Closes the connections. Operations in progress continue without a server."""
        self._is_closed = True
        tasks = [task for task in (self._start_task, self._refresh_task, *self._leaving.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*[session.close() for session in {*self._sessions.values(), *self._leaving}])

    async def _start(self) -> None:
        if not await self._refresh():
            self.start_probing()

    async def _refresh_until_known(self) -> None:
        settings = self._engine.settings
        least, most = settings.probe_min_interval, settings.probe_max_interval
        for interval in ProbeBackoff(least, most):
            is_known = await self._refresh()
            # Many checks may report a doubt at once.
            await asyncio.sleep(next(ProbeBackoff(least, most)) if is_known else interval)
            if self._is_closed or (is_known and not self._engine.is_in_doubt):
                return

    async def _refresh(self) -> bool:
        """Reads the topology, and connects to new shards. Returns whether a node replied."""
        topology = await run_async(self._engine.fetch_topology(), self._query)
        if topology is None:
            return False
        # Until new shards are connected, the old owners of their slots redirect to them.
        sessions = [self.session_of(shard) for shard in self._engine.shards.add(topology)]
        await asyncio.gather(*[session.started() for session in sessions if session is not None])
        self._engine.install(topology)
        self._close_left()
        return True

    def _close_left(self) -> None:
        """Closes the sessions of shards that were dropped, soon."""
        self._shards_version = self._engine.shards.version
        for address, session in self._sessions.items():
            if self._engine.shards.get(address) is None:
                self._close_later(session)

    def _close_later(self, session: AsyncSession) -> None:
        if session not in self._leaving:
            self._leaving[session] = self.loop.create_task(self._close_dropped(session))

    async def _close_dropped(self, session: AsyncSession) -> None:
        await asyncio.sleep(2 * self._engine.settings.timeout)
        for address in [address for address, one in self._sessions.items() if one is session]:
            del self._sessions[address]
        await session.close()
        del self._leaving[session]

    async def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """Sends the commands of each node as one pipeline."""
        if self._shards_version != self._engine.shards.version and not self._is_closed:
            self._close_left()
        by_node = split_by_node(commands)
        if len(by_node) == 1:
            ((address, part),) = by_node.items()
            return await self._execute_on(address, part)
        outcomes = await asyncio.gather(*[self._execute_on(address, part) for address, part in by_node.items()])
        return merge_replies(commands, dict(zip(by_node, outcomes, strict=True)))

    async def _execute_on(self, address: str, commands: Sequence[Command]) -> list[Reply]:
        shard = self._engine.shards.get(address)
        session = self._sessions.get(address) if shard is None else self.session_of(shard)
        if session is None:
            return [has_left(address)] * len(commands)
        try:
            return list(await session.execute(commands))
        except Exception as error:  # noqa: BLE001 - the engine classifies it
            return [NodeFailure(error)] * len(commands)

    async def _query(self, commands: Sequence[Command]) -> Sequence[Reply]:
        """Asks nodes, which may be no shards, for the topology, until one of them knows it."""
        queries = {self.loop.create_task(self._query_node(command)): index for index, command in enumerate(commands)}
        replies: list[Reply] = [NOT_ASKED] * len(commands)
        pending = set(queries)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for query in done:
                    replies[queries[query]] = reply = query.result()
                    if isinstance(reply, list) and reply:
                        return replies
            return replies
        finally:
            for query in pending:
                query.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _query_node(self, command: Command) -> Reply:
        address = node_of(command)
        settings = self._engine.settings
        session = self._sessions.get(address)
        try:
            if session is not None:
                return (await session.execute_unbatched([command], settings.connect_timeout))[0]
            client = self._nodes.client("redis.asyncio", address, settings)
            executor = AsyncExecutor(
                client, timeout=settings.timeout, connect_timeout=settings.connect_timeout, max_connections=1
            )
            connections = AsyncConnections(client, executor, None, owns_client=True)
            await connections.open(executor)
            try:
                return (await executor.execute_unbatched([command], settings.connect_timeout))[0]
            finally:
                await connections.close()
        except Exception as error:  # noqa: BLE001 - the engine classifies it
            return NodeFailure(error)
