"""What a limiter decides, without doing any I/O: each operation is a `Flow`, as those of `Server`.

So the asynchronous and the synchronous limiter differ in how they ask, and in nothing else.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .._core import Breaker, Decision, Denials, LocalLimiter, Policies
from ..errors import UnavailableError
from ..events import Announcer, CameBack, WentAway
from ..health import Health
from .backend import Server
from .classify import TRANSPORT, LimiterClosedError, absence_of, describe
from .commands import Command, Reply, needs_module
from .fallback import Alone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core import Ticket
    from ..check import Check
    from ..settings import Settings
    from .operation import Flow


class Engine:
    """The state of a limiter, and its operations."""

    def __init__(self, settings: Settings, announcer: Announcer, *, remote: bool, cluster: bool) -> None:
        self.settings = settings
        self.announcer = announcer
        self.remote = remote
        self.cluster = cluster
        self.breaker = Breaker(settings.failures)
        self.policies = Policies(settings.policies)
        self.local = LocalLimiter(settings.local_max_bytes, instances=settings.instances)
        self.alone = Alone(self.local, self.policies, settings.on_failure, int(settings.probe_max * 1000))
        self.denials = Denials(settings.deny_cache) if settings.deny_cache and remote else None
        self.server = Server(settings, self.policies, cluster=cluster, is_away=self.is_away, forget=self.forget)
        self._told_away = False
        self.seek: Callable[[], None] = lambda: None
        """Has the server looked for, unless it is."""
        self.watch: Callable[[Check], bool] = lambda _: False
        """Has a denial remembered whose end the server tells of; false where it does not."""
        self.tracks: Callable[[], bool] = lambda: False
        if not remote:
            self.breaker.recovered()

    def check(
        self, checks: Sequence[Check], *, records: bool = True, recall: bool = True
    ) -> Flow[list[Decision | None]]:
        """All of them or none; a decision each. `None` for a check that was not looked at, since another of them is
        remembered to be denied, if these may be recalled."""
        denials = self.denials if records and recall else None
        if denials is not None:
            remembered, tickets = _recalled(denials, checks)
            if remembered is not None:
                return remembered
        if not self.remote:
            return list(self.alone.locally(checks, records))
        if not self._asks():
            return list(self.alone.fall_back(checks, records))
        try:
            decisions = yield from self.server.check(checks, records=records)
        except Exception as error:
            if not self.is_away(error):
                raise
            return list(self.alone.fall_back(checks, records))
        self.breaker.succeeded()
        if denials is not None:
            for check, decision, ticket in zip(checks, decisions, tickets, strict=False):
                if not decision.allowed and not self.watch(check):
                    denials.put(*check, decision, ticket)
        return list(decisions)

    def refund(self, key: bytes, cost: int) -> Flow[int]:
        """Units taken back."""
        return (yield from self._change(key, self.server.refund(key, cost), self.local.refund, cost))

    def reset(self, key: bytes) -> Flow[int]:
        """Units forgotten."""
        return (yield from self._change(key, self.server.reset(key), self.local.reset))

    def manage(self, what: str, command: Command, changed: bytes | None = None) -> Flow[Reply]:
        """A command that only the module has; `changed` is the key that may be allowed by it."""
        if not self.remote or not self.server.has_module:
            raise needs_module(what)
        if not self._asks():
            raise self._unavailable()
        try:
            reply = yield from self.server.manage(what, command)
        except TRANSPORT as error:
            if self.is_away(error):
                raise self._unavailable() from error
            raise
        finally:
            if changed is not None:
                self.forget(changed)
        self.breaker.succeeded()
        return reply

    def probe(self) -> Flow[bool]:
        """Whether the server is there; closes the breaker if it is."""
        away_since = self.breaker.since
        if not self.breaker.is_closed:
            self.breaker.probing()
        try:
            yield from self.server.probe()
        except LimiterClosedError:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no server to be asked
            self.breaker.failed(describe(error), True)
            self.breaker.probe_failed(describe(error))
            self._went_away(error)
            return False
        self.breaker.recovered()
        if self._told_away:
            self._told_away = False
            self.announcer.state(CameBack(max(0.0, time.time() - away_since), self.server.dialect.source))
        return True

    def forget(self, key: bytes) -> None:
        """A denial of the key may be over."""
        if self.denials is not None:
            self.denials.forget(key)

    def is_away(self, error: BaseException) -> bool:
        """Whether the error says that the server is away; the breaker then counts it."""
        if isinstance(error, LimiterClosedError):
            return True
        absence = absence_of(error)
        if absence is None:
            return False
        if self.breaker.failed(describe(error), absence == "lost"):
            self._went_away(error)
            self.seek()
        return True

    def health(self) -> Health:
        """The state at this moment."""
        breaker = self.breaker
        return Health(
            state=breaker.state,
            since=datetime.fromtimestamp(breaker.since, timezone.utc),
            backend=("module" if self.server.has_module else "script") if self.remote else "local",
            on_failure=self.settings.on_failure,
            last_error=breaker.last_error,
            opened=breaker.opened,
            tracks=self.tracks(),
            local_keys=len(self.local),
            local_bytes=self.local.bytes,
            evicted=self.local.evicted,
        )

    def _change(self, key: bytes, asking: Flow[int], locally: Callable[..., int], *arguments: int) -> Flow[int]:
        try:
            if not self.remote:
                return locally(key, *arguments)
            if self._asks():
                try:
                    count = yield from asking
                    self.breaker.succeeded()
                    return count
                except TRANSPORT as error:
                    if not self.is_away(error):
                        raise
            if self.settings.on_failure == "local":
                return locally(key, *arguments)
            raise self._unavailable()
        finally:
            # Even if it failed: the server may have done it.
            self.forget(key)

    def _asks(self) -> bool:
        """Whether the server is to be asked; if it is not, somebody looks for it."""
        if self.breaker.is_closed:
            return True
        self.seek()
        return False

    def _went_away(self, error: BaseException) -> None:
        if self.denials is not None:
            self.denials.forget_all()
        if not self._told_away:
            self._told_away = True
            self.announcer.state(WentAway(describe(error), self.settings.on_failure))

    def _unavailable(self) -> UnavailableError:
        return UnavailableError(f"the server is away: {self.breaker.last_error or 'no connection has been made yet'}")


def _recalled(denials: Denials, checks: Sequence[Check]) -> tuple[list[Decision | None] | None, list[Ticket]]:
    """What is remembered of the checks, if anything is, or else the tickets to have it remembered."""
    remembered = [denials.get(*check) for check in checks]
    if any(decision is not None for decision in remembered):
        return remembered, []
    return None, [denials.ticket(check.key) for check in checks]
