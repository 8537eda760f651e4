"""The blocking limiter: for Flask, Django, scripts and workers."""

from __future__ import annotations

import os
import threading
import time
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ._core import Limits
from .base import BaseLimiter, Options
from .connection.client import max_connections_of
from .connection.sync_cluster_session import SyncClusterSession
from .connection.sync_session import SyncSession
from .engine.cluster_engine import ClusterEngine
from .engine.operation import no_server, run
from .waiting import DEFAULT_MAX_WAIT, waits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self, Unpack

    from ._core import Decision
    from .check import LimitsLike
    from .engine.operation import Operation
    from .engine.overrides import Override, OverrideAction
    from .engine.shard import Shard
    from .events import Hook
    from .pace import SyncPace
    from .sync_admin import SyncAdmin

    Session = SyncSession | SyncClusterSession

T = TypeVar("T")


class SyncRateLimiter(BaseLimiter):
    """`RateLimiter` with blocking methods. Thread-safe, and usable after a fork.

    >>> limiter = SyncRateLimiter("memory://")
    >>> limiter.check("user:42", "2/minute").remaining
    1
    """

    _IS_ASYNC = False

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
        self._session: Session | None = None
        self._starting: Session | None = None
        """The session, also before its first probe is answered."""
        self._engine.start_probing = self._start_probing
        if isinstance(self._engine, ClusterEngine):
            self._engine.start_probing_shard = self._start_probing_shard
        _limiters.add(self)

    __init__.__doc__ = BaseLimiter.__init__.__doc__

    def check(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """See `RateLimiter.check`."""
        decision = self._check_in_process(key, limits, cost)
        return self._run(self._check(key, limits, cost)) if decision is None else decision

    def peek(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """See `RateLimiter.peek`."""
        return self._run(self._peek(key, limits, cost))

    def mcheck(self, checks: Sequence[tuple[str | bytes, LimitsLike]], cost: int = 1) -> list[Decision]:
        """See `RateLimiter.mcheck`."""
        return self._run(self._mcheck(checks, cost))

    def until_allowed(
        self, key: str | bytes, limits: LimitsLike, cost: int = 1, *, max_wait: float = DEFAULT_MAX_WAIT
    ) -> Decision:
        """See `RateLimiter.until_allowed`."""
        steps = waits(max_wait)
        wait = next(steps)
        try:
            while True:
                time.sleep(wait)
                wait = steps.send(self.check(key, limits, cost))
        except StopIteration as stop:
            allowed: Decision = stop.value
            return allowed

    def pace(self, key: str | bytes, rule: str, *, max_wait: float | None = None) -> SyncPace:
        """See `RateLimiter.pace`."""
        from .pace import SyncPace

        limits = Limits.paced(rule)
        return SyncPace(lambda: self.check(key, limits), limits, max_wait)

    def refund(self, key: str | bytes, cost: int = 1) -> int:
        """See `RateLimiter.refund`."""
        return self._run(self._refund(key, cost))

    def reset(self, key: str | bytes) -> int:
        """See `RateLimiter.reset`."""
        return self._run(self._reset(key))

    def reset_all(self) -> int:
        """See `RateLimiter.reset_all`."""
        return self._run(self._reset_all())

    def set_override(
        self,
        key: str | bytes,
        action: OverrideAction,
        limits: LimitsLike | None = None,
        *,
        ttl: float | None = None,
    ) -> None:
        """See `RateLimiter.set_override`."""
        self._run(self._set_override(key, action, limits, ttl))

    def get_override(self, key: str | bytes) -> Override | None:
        """See `RateLimiter.get_override`."""
        return self._run(self._get_override(key))

    def del_override(self, key: str | bytes) -> bool:
        """See `RateLimiter.del_override`."""
        return self._run(self._del_override(key))

    @cached_property
    def admin(self) -> SyncAdmin:
        """See `RateLimiter.admin`."""
        from .sync_admin import SyncAdmin

        return SyncAdmin(self._engine, self._run)

    def start(self) -> None:
        """Connects to the server. Optional: the first check connects by itself."""
        if self._engine.remote:
            self._start_session()

    def close(self) -> None:
        """Stops probes and closes connections, except those of a client that you passed. A later check reopens them."""
        with self._lock:
            session, self._session, self._starting = self._session, None, None
        if session is not None and session.process_id == os.getpid():
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, operation: Operation[T]) -> T:
        if not self._engine.remote:
            return run(operation, no_server)
        session = self._session
        if session is None or session.process_id != os.getpid():
            session = self._start_session()
        return session.run(operation)

    def _start_session(self) -> Session:
        """Returns this process's session: connections and threads do not survive a fork."""
        with self._lock:
            session = self._starting
            if session is None or session.process_id != os.getpid():
                session = self._starting = self._create_session()
                # A hook may use this limiter while the first probe runs.
                session.start()
                self._session = session
            return session

    def _create_session(self) -> Session:
        if self._nodes is not None and isinstance(self._engine, ClusterEngine):
            return SyncClusterSession(self._engine, self._nodes)
        max_connections = self.settings.max_connections
        if self._client is not None:
            max_connections = max_connections_of(self._client, max_connections)
        return SyncSession(
            self._engine,
            self._create_client,
            max_connections=max_connections,
            owns_client=self._client is None,
        )

    def _create_client(self) -> Any:
        return self._client if self._client is not None else self._target.client("redis", self.settings)

    def _start_probing(self) -> None:
        session = self._starting
        if session is not None:
            session.start_probing()

    def _start_probing_shard(self, shard: Shard) -> None:
        session = self._starting
        of_shard = session.session_of(shard) if isinstance(session, SyncClusterSession) else None
        if of_shard is not None:
            of_shard.start_probing()

    def _after_fork(self) -> None:
        """Replaces the lock, which a thread of the parent process may hold."""
        self._lock = threading.RLock()
        self._session = self._starting = None


_limiters: weakref.WeakSet[SyncRateLimiter] = weakref.WeakSet()


def _after_fork() -> None:
    for limiter in _limiters:
        limiter._after_fork()  # noqa: SLF001 - defined in this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
