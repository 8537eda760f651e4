"""Denials that the server watches over: it tells when anybody changes a key whose denial is remembered.

A denied key is peeked at on a connection of its own, which the server tracks keys for (RESP3). From that read on it
tells of any change, so that a denial is never remembered beyond a reset, a refund or an override by others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from .._core import SCRIPT_SUFFIX, Denials, Probes, Ticket
from ..commands import Dialect, read_decision
from ..failure import TRANSPORT
from .packing import packed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..check import Check

_TRACK = ("CLIENT", "TRACKING", "ON", "NOLOOP")
_SUFFIX = SCRIPT_SUFFIX.encode()


class Watcher:
    """Keeps a connection that is told of changes, and remembers denials by it."""

    def __init__(
        self, client: Any, denials: Denials, dialect: Callable[[], Dialect], probes: tuple[float, float]
    ) -> None:
        self._pool = client.connection_pool
        self._denials = denials
        self._dialect = dialect
        self._probes = probes
        self._connection: Any = None
        self._asked: deque[tuple[Check, Ticket, Dialect]] = deque()
        self._task = asyncio.get_running_loop().create_task(self._keep())

    @property
    def tracks(self) -> bool:
        """Whether the server tells of changes now."""
        return self._connection is not None

    def watch(self, check: Check) -> bool:
        """Has the denial of `check` remembered, if it still holds when the server watches over the key; false if nobody
        does."""
        if self._connection is None:
            return False
        if self._denials.claim(*check):
            dialect = self._dialect()
            self._asked.append((check, self._denials.ticket(check.key), dialect))
            self._connection._writer.writelines(packed(self._connection, [dialect.peek(check)]))  # noqa: SLF001
        return True

    async def close(self) -> None:
        """Ends it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        probes = Probes(*self._probes)
        while True:
            try:
                await self._listen()
            except ResponseError:
                # The server does not track for this user: denials are remembered without.
                return
            except TRANSPORT:
                pass
            await asyncio.sleep(next(probes))

    async def _listen(self) -> None:
        connection = self._pool.connection_class(
            **{**self._pool.connection_kwargs, "protocol": 3, "socket_timeout": None, "client_name": "ratelog-watcher"}
        )
        try:
            await connection.connect()
            connection._parser.set_invalidation_push_handler(self._told)  # noqa: SLF001
            await connection.send_command(*_TRACK)
            await connection.read_response()
            # What was remembered until now nobody watches over.
            self._denials.forget_all()
            self._connection = connection
            while True:
                try:
                    reply = await connection.read_response()
                except ResponseError as error:
                    reply = error
                self._answered(reply)
        finally:
            self._connection = None
            self._denials.forget_all()
            while self._asked:
                self._denials.settle(self._asked.popleft()[0].key)
            await connection.disconnect(nowait=True)

    def _answered(self, reply: Any) -> None:
        check, ticket, dialect = self._asked.popleft()
        try:
            decision = read_decision(reply, dialect.source)
        except Exception:  # noqa: BLE001 - whatever it is, the next check hears of it
            self._denials.settle(check.key)
            return
        if not decision.allowed:
            self._denials.put(*check, decision, ticket)
        self._denials.settle(check.key)

    async def _told(self, push: list[Any]) -> None:
        keys = push[1]
        if keys is None:
            self._denials.forget_all()
            return
        for key in keys:
            name = key.encode() if isinstance(key, str) else key
            self._denials.forget(name.removesuffix(_SUFFIX))
