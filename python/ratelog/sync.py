"""The limiter for programs that do not await: Flask, Django, scripts, workers."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from .base import Limiter, Options
from .connection.sync_session import SyncSession
from .connection.target import lanes_of
from .engine.operation import nobody, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self, Unpack

    from ._core import Decision
    from .check import LimitsLike
    from .engine.operation import Flow
    from .engine.overrides import Override, OverrideAction
    from .events import Hook

T = TypeVar("T")


class SyncRateLimiter(Limiter):
    """`RateLimiter` for callers that block; for any number of threads, and for processes that fork.

    >>> limiter = SyncRateLimiter("memory://")
    >>> limiter.check("user:42", "2/minute").remaining
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
        super().__init__(url, client=client, config=config, hooks=hooks, **options)
        self._lock = threading.RLock()
        self._session: SyncSession | None = None
        self._beginning: SyncSession | None = None
        """The same, from before its server was asked a first question."""
        self._engine.seek = self._search
        _limiters.add(self)

    __init__.__doc__ = Limiter.__init__.__doc__

    def check(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """As `RateLimiter.check`."""
        decision = self._at_once(key, limits, cost)
        return self._run(self._check(key, limits, cost)) if decision is None else decision

    def peek(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """As `RateLimiter.peek`."""
        return self._run(self._peek(key, limits, cost))

    def mcheck(self, checks: Sequence[tuple[str | bytes, LimitsLike]], cost: int = 1) -> list[Decision]:
        """As `RateLimiter.mcheck`."""
        return self._run(self._mcheck(checks, cost))

    def refund(self, key: str | bytes, cost: int = 1) -> int:
        """As `RateLimiter.refund`."""
        return self._run(self._refund(key, cost))

    def reset(self, key: str | bytes) -> int:
        """As `RateLimiter.reset`."""
        return self._run(self._reset(key))

    def set_override(
        self,
        key: str | bytes,
        action: OverrideAction,
        limits: LimitsLike | None = None,
        *,
        ttl: float | None = None,
    ) -> None:
        """As `RateLimiter.set_override`."""
        self._run(self._set_override(key, action, limits, ttl))

    def get_override(self, key: str | bytes) -> Override | None:
        """As `RateLimiter.get_override`."""
        return self._run(self._get_override(key))

    def del_override(self, key: str | bytes) -> bool:
        """As `RateLimiter.del_override`."""
        return self._run(self._del_override(key))

    def start(self) -> None:
        """Connects, and asks the server a first question; the first check does it by itself."""
        if self._engine.remote:
            self._begun()

    def close(self) -> None:
        """Ends probes, and closes the connections unless the client was handed in. A check starts the limiter anew."""
        with self._lock:
            session, self._session, self._beginning = self._session, None, None
        if session is not None and session.process == os.getpid():
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        if not self._engine.remote:
            return run(flow, nobody)
        session = self._session
        if session is None or session.process != os.getpid():
            session = self._begun()
        return session.drive(flow)

    def _begun(self) -> SyncSession:
        """Connections do not outlive a fork, nor do threads: a session for this process."""
        with self._lock:
            session = self._beginning
            if session is None or session.process != os.getpid():
                lanes = self.settings.pool_size
                session = self._beginning = SyncSession(
                    self._engine,
                    self._connect,
                    lanes=lanes if self._client is None else lanes_of(self._client, lanes),
                    owns=self._client is None,
                )
                # A hook that is told of the outcome may ask this limiter.
                session.begin()
                self._session = session
            return session

    def _connect(self) -> Any:
        return self._client if self._client is not None else self._target.client("redis", self.settings)

    def _search(self) -> None:
        session = self._beginning
        if session is not None:
            session.search()

    def _forked(self) -> None:
        """Whoever held the lock is not in this process."""
        self._lock = threading.RLock()
        self._session = self._beginning = None


_limiters: weakref.WeakSet[SyncRateLimiter] = weakref.WeakSet()


def _forked() -> None:
    for limiter in _limiters:
        limiter._forked()  # noqa: SLF001 - it is this module's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
