"""The limiter for programs that do not await: Flask, Django, scripts, workers."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from ._core import Decision, Probes
from .base import Limiter, Options
from .failure import TRANSPORT
from .link.sync import SyncLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self, Unpack

    from .check import LimitsLike
    from .events import Hook
    from .overrides import Override, OverrideAction
    from .server import Flow

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
        self._lock = threading.Lock()
        self._process = 0
        self._link: SyncLink | None = None
        self._closed = threading.Event()
        self._searching: threading.Thread | None = None
        self._engine.on_opened = self._find_again

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
        with self._lock:
            if self._process == os.getpid():
                return
            self._link = SyncLink(
                self._connect,
                cluster=self._engine.cluster,
                timeout=self.settings.timeout,
                lanes=self.settings.pool_size,
            )
            self._closed = threading.Event()
            if not self._drive(self._engine.probe(), self._link):
                self._find_again()
            self._process = os.getpid()

    def close(self) -> None:
        """Ends probes, and closes the connections unless the client was handed in. A check starts the limiter anew."""
        self._process = 0
        self._closed.set()
        # A probe that is under way would meet a connection without a socket.
        if self._searching is not None and self._searching is not threading.current_thread():
            self._searching.join()
        if self._link is not None and self._client is None:
            self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        # Connections do not outlive a fork, nor do threads.
        if self._engine.remote and self._process != os.getpid():
            self.start()
        return self._drive(flow, self._link)

    @staticmethod
    def _drive(flow: Flow[T], link: SyncLink | None) -> T:
        try:
            commands = next(flow)
            while True:
                try:
                    replies = link.ask(commands) if link is not None else ()
                except TRANSPORT as error:
                    commands = flow.throw(error)
                else:
                    commands = flow.send(replies)
        except StopIteration as stop:
            outcome: T = stop.value
            return outcome

    def _connect(self) -> Any:
        return self._client if self._client is not None else self._target.client("redis", self.settings)

    def _find_again(self) -> None:
        arguments = (self._link, self._closed)
        self._searching = threading.Thread(target=self._search, args=arguments, name="ratelog-probes", daemon=True)
        self._searching.start()

    def _search(self, link: SyncLink, closed: threading.Event) -> None:
        for wait in Probes(self.settings.probe_min, self.settings.probe_max):
            if closed.is_set() or self._drive(self._engine.probe(), link) or closed.wait(wait):
                return
