"""The limiter for programs that await: FastAPI, Starlette, any asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from .base import Limiter, Options
from .connection.async_session import AsyncSession
from .engine.operation import nobody, run_async
from .web.registry import Declarations

if TYPE_CHECKING:
    import os
    from collections.abc import Coroutine, Sequence

    from typing_extensions import Self, Unpack

    from ._core import Decision
    from .check import Check, LimitsLike
    from .engine.commands import Command, Reply
    from .engine.operation import Flow
    from .engine.overrides import Override, OverrideAction
    from .events import Hook

T = TypeVar("T")


class RateLimiter(Limiter, Declarations):
    """Exact limits in a server, with a timeout, and by other means while the server is away.

    A check takes no longer than `timeout`. Errors of the server's absence are counted by a circuit breaker: while it is
    open no check waits for the server, `on_failure` says what becomes of it, and probes look for the server at jittered
    intervals. Other errors are the caller's: no such policy, a key of another type, a limit over the server's bound.

    >>> limiter = RateLimiter("memory://")
    >>> asyncio.run(limiter.check("user:42", "2/minute")).remaining
    1
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        config: str | os.PathLike[str] | None = None,
        hooks: Sequence[Hook] = (),
        **options: Unpack[Options],
    ) -> None:
        Limiter.__init__(self, url, client=client, config=config, hooks=hooks, **options)
        Declarations.__init__(self)
        self._sessions: dict[asyncio.AbstractEventLoop, AsyncSession] = {}
        self._session: AsyncSession | None = None
        """The one that was in use just now."""
        self._engine.seek = self._search
        self._engine.watch, self._engine.tracks = self._watch, self._tracks

    __init__.__doc__ = Limiter.__init__.__doc__

    async def check(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """Decides whether `key` may use `cost` units now; they are recorded if it may.

        Raises:
            ValueError: `limits` or `cost` are none.
            redis.exceptions.ResponseError: what the server refuses, such as a limit over its bound.
            NoPolicyError: there is no policy of that name.
        """
        decision = self._at_once(key, limits, cost)
        return await self._run(self._check(key, limits, cost)) if decision is None else decision

    async def peek(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """The decision that `check` would come to, recording nothing."""
        return await self._run(self._peek(key, limits, cost))

    async def mcheck(self, checks: Sequence[tuple[str | bytes, LimitsLike]], cost: int = 1) -> list[Decision]:
        """Decides one check of several keys, all or nothing: a decision for each key, in their order.

        Keys under one rule or policy each, in one slot of a cluster, are one command (`RL.MCHECK`). Others are one
        pipeline; if it is denied, what it recorded is taken back.
        """
        return await self._run(self._mcheck(checks, cost))

    async def refund(self, key: str | bytes, cost: int = 1) -> int:
        """Takes the newest units back, as many as `cost`; returns how many there were to take.

        Raises:
            UnavailableError: the server is away, and `on_failure` is not `local`.
        """
        return await self._run(self._refund(key, cost))

    async def reset(self, key: str | bytes) -> int:
        """Forgets the key's units; returns how many there were.

        Raises:
            UnavailableError: as for `refund`.
        """
        return await self._run(self._reset(key))

    async def set_override(
        self,
        key: str | bytes,
        action: OverrideAction,
        limits: LimitsLike | None = None,
        *,
        ttl: float | None = None,
    ) -> None:
        """Puts an override on the key, in place of one it has; for `ttl` seconds, if told.

        Raises:
            ValueError: rules without `limit`, `limit` without rules, or a `ttl` under a millisecond.
            NeedsModuleError: the server has no module.
            UnavailableError: the server is away.
        """
        await self._run(self._set_override(key, action, limits, ttl))

    async def get_override(self, key: str | bytes) -> Override | None:
        """What an operator put on the key, if it still holds. Raises as `set_override`."""
        return await self._run(self._get_override(key))

    async def del_override(self, key: str | bytes) -> bool:
        """Takes the override away; whether one held. Raises as `set_override`."""
        return await self._run(self._del_override(key))

    def _reloaded(self) -> None:
        self._read_settings()

    async def start(self) -> None:
        """Connects, and asks the server a first question; the first check does it by itself."""
        if self._engine.remote:
            await self._begun()

    async def aclose(self) -> None:
        """Ends probes, and closes the connections unless the client was handed in; those of the running event loop. A
        check starts the limiter anew."""
        loop = asyncio.get_running_loop()
        if self._session is not None and self._session.loop is loop:
            self._session = None
        session = self._sessions.pop(loop, None)
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _run(self, flow: Flow[T]) -> Coroutine[Any, Any, T]:
        if not self._engine.remote:
            return run_async(flow, _nobody)
        session = self._session
        if session is None or session.loop is not asyncio.get_running_loop():
            return self._begin_and_run(flow)
        return session.drive(flow)

    async def _begin_and_run(self, flow: Flow[T]) -> T:
        return await (await self._begun()).drive(flow)

    async def _begun(self) -> AsyncSession:
        """Connections belong to one event loop: a session for this one."""
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            for other in [other for other in self._sessions if other.is_closed()]:
                del self._sessions[other]
            client = self._client if self._client is not None else self._target.client("redis.asyncio", self.settings)
            session = self._sessions[loop] = AsyncSession(self._engine, client, owns=self._client is None)
        await session.begun()
        if self._sessions.get(loop) is session:
            self._session = session
        return session

    def _here(self) -> AsyncSession | None:
        return self._sessions.get(asyncio.get_running_loop())

    def _search(self) -> None:
        session = self._here()
        if session is not None:
            session.search()

    def _watch(self, check: Check) -> bool:
        session = self._here()
        return session is not None and session.watcher is not None and session.watcher.watch(check)

    def _tracks(self) -> bool:
        watchers = [session.watcher for session in self._sessions.copy().values()]
        return bool(watchers) and all(watcher is not None and watcher.tracks for watcher in watchers)


async def _nobody(commands: Sequence[Command]) -> Sequence[Reply]:
    return nobody(commands)
