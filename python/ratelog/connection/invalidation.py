"""Cached denials that the server invalidates, with client-side caching (`CLIENT TRACKING`, RESP3).

A denied key is peeked at on a separate connection that has tracking enabled. From then on the server reports any change
of the key, so a cached denial never outlives a reset, a refund or an override by another client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from .._core import SCRIPT_SUFFIX, DenyCache, KeyVersion, ProbeBackoff
from ..engine.commands import Command, Dialect, parse_decision
from .compat import pack_commands, push_options, set_invalidation_handler, timeout

if TYPE_CHECKING:
    from ..check import Check
    from ..settings import Settings

Fetch = tuple["Check", "KeyVersion", "Dialect"]

_PING: Command = ("PING",)
_ENABLE_TRACKING = ("CLIENT", "TRACKING", "ON", "NOLOOP")
_SUFFIX = SCRIPT_SUFFIX.encode()


class InvalidationListener:
    """Keeps a connection with tracking enabled, and fills the deny cache through it."""

    def __init__(self, client: Any, deny_cache: DenyCache, settings: Settings) -> None:
        self._pool = client.connection_pool
        self._deny_cache = deny_cache
        self._settings = settings
        self._connection: Any = None
        self._sent: deque[Fetch | None] = deque()
        """The fetches that replies belong to, in order; `None` for a ping."""
        self._connection_count = 0
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def is_tracking(self) -> bool:
        """Whether the connection is open and tracks keys."""
        return self._connection is not None

    def cache_denial(self, check: Check, dialect: Dialect) -> bool:
        """Fetches the denial of `check` and caches it. Returns false if there is no connection to track the key."""
        if self._connection is None or self._connection._writer.is_closing():  # noqa: SLF001
            return False
        if self._deny_cache.begin_fetch(*check):
            self._send((check, self._deny_cache.version(check.key), dialect), dialect.peek(check))
        return True

    async def close(self) -> None:
        """Closes the connection."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        settings = self._settings
        while True:
            for interval in ProbeBackoff(settings.probe_min_interval, settings.probe_max_interval):
                before = self._connection_count
                try:
                    await self._listen()
                except ResponseError:
                    # This user may not enable tracking. The engine caches denials without it.
                    return
                except Exception:  # noqa: BLE001, S110 - the engine reports an unavailable server
                    pass
                await asyncio.sleep(interval)
                if self._connection_count != before:
                    # The server was available: start again with the shortest interval.
                    break

    async def _listen(self) -> None:
        connection = self._pool.connection_class(
            **{
                **self._pool.connection_kwargs,
                **push_options(),
                "socket_timeout": None,
                "client_name": "ratelog-invalidation",
            }
        )
        try:
            async with timeout(self._settings.connect_timeout):
                await self._open(connection)
            # The server does not track the keys that were cached before.
            self._deny_cache.invalidate_all()
            self._connection = connection
            self._connection_count += 1
            await self._read(connection)
        finally:
            self._connection = None
            self._deny_cache.invalidate_all()
            while self._sent:
                self._end_fetch(self._sent.popleft())
            await connection.disconnect(nowait=True)

    async def _open(self, connection: Any) -> None:
        await connection.connect()
        set_invalidation_handler(connection, self._on_invalidation)
        await connection.send_command(*_ENABLE_TRACKING)
        await connection.read_response()

    async def _read(self, connection: Any) -> None:
        """Reads until the connection ends.

        A connection that was cut off may stay silent, so a ping is sent when nothing arrives for `connect_timeout`. The
        connection fails if no reply follows in the same time.
        """
        while True:
            try:
                reply = await connection.read_response(
                    timeout=self._settings.connect_timeout, disconnect_on_error=False
                )
            except ResponseError as error:
                reply = error
            if reply is not None:
                self._on_reply(reply)
            elif self._sent:
                raise asyncio.TimeoutError("the connection does not respond")
            else:
                self._send(None, _PING)

    def _send(self, fetch: Fetch | None, command: Command) -> None:
        self._sent.append(fetch)
        self._connection._writer.writelines(pack_commands(self._connection, [command]))  # noqa: SLF001

    def _on_reply(self, reply: Any) -> None:
        fetch = self._sent.popleft()
        if fetch is not None:
            check, version, dialect = fetch
            # The next check meets the same error and raises it.
            with contextlib.suppress(Exception):
                decision = parse_decision(reply, dialect.source, check.key)
                if not decision.allowed:
                    self._deny_cache.insert(*check, decision, version)
        self._end_fetch(fetch)

    def _end_fetch(self, fetch: Fetch | None) -> None:
        if fetch is not None:
            self._deny_cache.end_fetch(fetch[0].key)

    def _on_invalidation(self, push: list[Any]) -> None:
        keys = push[1]
        if keys is None:
            self._deny_cache.invalidate_all()
            return
        for key in keys:
            name = key.encode() if isinstance(key, str) else key
            self._deny_cache.invalidate(name.removesuffix(_SUFFIX))
