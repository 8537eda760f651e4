"""Denials that the server watches over: it tells when anybody changes a key whose denial is remembered.

A denied key is peeked at on a connection of its own, which the server tracks keys for (RESP3). From that read on it
tells of any change, so that a denial is never remembered beyond a reset, a refund or an override by others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from .._core import SCRIPT_SUFFIX, Denials, Probes, Ticket
from ..engine.commands import Command, Dialect, read_decision
from .compat import packed
from .within import within

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..check import Check
    from ..settings import Settings

Asked = tuple["Check", "Ticket", "Dialect"]

_PING: Command = ("PING",)
_TRACK = ("CLIENT", "TRACKING", "ON", "NOLOOP")
_SUFFIX = SCRIPT_SUFFIX.encode()


class Watcher:
    """Keeps a connection that is told of changes, and remembers denials by it."""

    def __init__(self, client: Any, denials: Denials, dialect: Callable[[], Dialect], settings: Settings) -> None:
        self._pool = client.connection_pool
        self._denials = denials
        self._dialect = dialect
        self._settings = settings
        self._connection: Any = None
        self._asked: deque[Asked | None] = deque()
        """What replies are for; `None`: the question whether the server is there."""
        self._listened = 0
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
            self._ask((check, self._denials.ticket(check.key), dialect), dialect.peek(check))
        return True

    async def close(self) -> None:
        """Ends it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        settings = self._settings
        while True:
            for wait in Probes(settings.probe_min, settings.probe_max):
                began = self._listened
                try:
                    await self._listen()
                except ResponseError:
                    # The server does not track for this user: denials are remembered without.
                    return
                except Exception:  # noqa: BLE001, S110 - the limiter itself tells of a server that is away
                    pass
                await asyncio.sleep(wait)
                if self._listened != began:
                    # It was there: the next search begins with short waits again.
                    break

    async def _listen(self) -> None:
        connection = self._pool.connection_class(
            **{**self._pool.connection_kwargs, "protocol": 3, "socket_timeout": None, "client_name": "ratelog-watcher"}
        )
        try:
            async with within(self._settings.connect_timeout):
                await self._open(connection)
            # What was remembered until now nobody watches over.
            self._denials.forget_all()
            self._connection = connection
            self._listened += 1
            await self._read(connection)
        finally:
            self._connection = None
            self._denials.forget_all()
            while self._asked:
                self._settle(self._asked.popleft())
            await connection.disconnect(nowait=True)

    async def _open(self, connection: Any) -> None:
        await connection.connect()
        connection._parser.set_invalidation_push_handler(self._told)  # noqa: SLF001
        await connection.send_command(*_TRACK)
        await connection.read_response()

    async def _read(self, connection: Any) -> None:
        """Reads until the connection ends. One that was cut off says nothing of it: it is asked when it is silent, and
        has to answer as soon as a new one would."""
        while True:
            try:
                reply = await connection.read_response(
                    timeout=self._settings.connect_timeout, disconnect_on_error=False
                )
            except ResponseError as error:
                reply = error
            if reply is not None:
                self._answered(reply)
            elif self._asked:
                raise asyncio.TimeoutError("the connection is silent")
            else:
                self._ask(None, _PING)

    def _ask(self, asked: Asked | None, command: Command) -> None:
        self._asked.append(asked)
        self._connection._writer.writelines(packed(self._connection, [command]))  # noqa: SLF001

    def _answered(self, reply: Any) -> None:
        asked = self._asked.popleft()
        if asked is not None:
            check, ticket, dialect = asked
            # An error, whatever it is, the next check hears of.
            with contextlib.suppress(Exception):
                decision = read_decision(reply, dialect.source)
                if not decision.allowed:
                    self._denials.put(*check, decision, ticket)
        self._settle(asked)

    def _settle(self, asked: Asked | None) -> None:
        if asked is not None:
            self._denials.settle(asked[0].key)

    async def _told(self, push: list[Any]) -> None:
        keys = push[1]
        if keys is None:
            self._denials.forget_all()
            return
        for key in keys:
            name = key.encode() if isinstance(key, str) else key
            self._denials.forget(name.removesuffix(_SUFFIX))
