"""The limiter for programs that await: FastAPI, Starlette, any asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ._core import Decision, Probes
from .base import Limiter, Options
from .commands import Command, Reply
from .failure import TRANSPORT, LimiterClosedError
from .link.aio import AsyncLink
from .link.watcher import Watcher
from .target import clients_of
from .web.declarations import Declarations

if TYPE_CHECKING:
    import os

    from typing_extensions import Self, Unpack

    from .check import LimitsLike
    from .events import Hook
    from .overrides import Override, OverrideAction
    from .server import Flow

T = TypeVar("T")
Ask = Callable[[Sequence[Command]], Awaitable[list[Reply]]]


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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._searching: asyncio.Task[None] | None = None
        self._link: AsyncLink
        self._own: Any = None
        self._watcher: Watcher | None = None
        self._engine.on_opened = self._find_again

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
        if not self._engine.remote:
            return
        loop = asyncio.get_running_loop()
        if self._starting is None or self._starting[0] is not loop:
            self._starting = (loop, loop.create_task(self._connect(loop)))
        # Whoever waits for it may give up; the others still wait.
        await asyncio.shield(self._starting[1])

    async def aclose(self) -> None:
        """Ends probes, and closes the connections unless the client was handed in. A check starts the limiter anew."""
        loop, self._loop, self._starting = self._loop, None, None
        if loop is not asyncio.get_running_loop():
            return
        if self._searching is not None:
            self._searching.cancel()
        if self._watcher is not None:
            await self._watcher.close()
        await self._link.close(LimiterClosedError("the limiter was closed"))
        if self._own is not None:
            for client in clients_of(self._own):
                await client.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _run(self, flow: Flow[T]) -> Coroutine[Any, Any, T]:
        if not self._engine.remote:
            return self._drive(flow, _nobody)
        # Connections belong to one event loop.
        if self._loop is not asyncio.get_running_loop():
            return self._start_and_run(flow)
        return self._drive(flow, self._link.ask)

    async def _start_and_run(self, flow: Flow[T]) -> T:
        await self.start()
        return await self._drive(flow, self._link.ask)

    @staticmethod
    async def _drive(flow: Flow[T], ask: Ask) -> T:
        try:
            commands = next(flow)
            while True:
                try:
                    replies = await ask(commands)
                except TRANSPORT as error:
                    commands = flow.throw(error)
                else:
                    commands = flow.send(replies)
        except StopIteration as stop:
            outcome: T = stop.value
            return outcome

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        settings = self.settings
        client = self._client if self._client is not None else self._target.client("redis.asyncio", settings)
        self._own = client if self._client is None else None
        engine = self._engine
        if engine.denials is not None and not engine.cluster:
            probes = (settings.probe_min, settings.probe_max)
            self._watcher = Watcher(client, engine.denials, lambda: engine.server.dialect, probes)
            engine.watch, engine.tracks = (
                self._watcher.watch,
                lambda: self._watcher is not None and self._watcher.tracks,
            )
        self._link = AsyncLink(client, cluster=self._engine.cluster, timeout=settings.timeout, lanes=settings.pool_size)
        if not await self._drive(self._engine.probe(), self._ask_patiently):
            self._find_again()
        self._loop = loop

    async def _ask_patiently(self, commands: Sequence[Command]) -> list[Reply]:
        return await self._link.ask_alone(commands, self.settings.connect_timeout)

    def _find_again(self) -> None:
        self._searching = asyncio.get_running_loop().create_task(self._search())

    async def _search(self) -> None:
        for wait in Probes(self.settings.probe_min, self.settings.probe_max):
            if await self._drive(self._engine.probe(), self._ask_patiently):
                return
            await asyncio.sleep(wait)


async def _nobody(_: Sequence[Command]) -> list[Reply]:
    raise NotImplementedError("a limiter without a server asks nobody")
