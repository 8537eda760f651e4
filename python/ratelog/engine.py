"""What a limiter decides, without doing any I/O.

Each operation is a generator, a `Flow`: it yields the commands that a server is to be asked, is sent their replies
(those that are errors among them, as exceptions), or has thrown into it what was raised instead of replies, and returns
the outcome. So the asynchronous and the synchronous limiter differ in how they ask, and in nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from redis.crc import key_slot

from ._core import Breaker, Decision, Denials, LocalLimiter, Policies
from .alone import Alone
from .commands import (
    LOAD_SCRIPT,
    PROBE,
    Command,
    Dialect,
    Module,
    OneByOne,
    Reply,
    Script,
    is_unknown_command,
    known_terms,
    lacks_script,
    needs_module,
    read_count,
    read_decision,
    read_decisions,
    refused,
)
from .errors import UnavailableError
from .events import Announcer, CameBack, WentAway
from .failure import TRANSPORT, LimiterClosedError, absence_of, describe
from .health import Health
from .overrides import read_map, read_rules, text

if TYPE_CHECKING:
    from .check import Check
    from .settings import Settings

T = TypeVar("T")
Flow = Generator[Sequence[Command], Sequence[Reply], T]


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
        self.on_opened: Callable[[], None] = lambda: None
        self.watch: Callable[[Check], bool] = lambda _: False
        """Has a denial remembered whose end the server tells of; false where it does not."""
        self.tracks: Callable[[], bool] = lambda: False
        self._module = Module()
        self._script = Script(self.policies)
        self.dialect: Dialect = self._script if settings.backend == "script" else self._module
        if not remote:
            self.breaker.recovered()

    def check(
        self, checks: Sequence[Check], *, records: bool = True, recall: bool = True
    ) -> Flow[list[Decision | None]]:
        """All of them or none; a decision each. `None` for a check that was not looked at, since another of them is
        remembered to be denied, if these may be recalled."""
        denials = self.denials if records and recall else None
        if denials is not None:
            remembered = [denials.get(*check) for check in checks]
            if any(decision is not None for decision in remembered):
                return remembered
            tickets = [denials.ticket(check.key) for check in checks]
        if not self.remote:
            return list(self.alone.locally(checks, records))
        if not self.breaker.is_closed:
            return list(self.alone.fall_back(checks, records))
        try:
            decisions = yield from self._ask(checks, records)
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
        return (yield from self._change(key, lambda dialect: dialect.refund(key, cost), self.local.refund, cost))

    def reset(self, key: bytes) -> Flow[int]:
        """Units forgotten."""
        return (yield from self._change(key, lambda dialect: dialect.reset(key), self.local.reset))

    def manage(self, what: str, command: Command, changed: bytes | None = None) -> Flow[Reply]:
        """A command that only the module has; `changed` is the key that may be allowed by it."""
        if not self.remote or self.dialect is self._script:
            raise needs_module(what)
        if not self.breaker.is_closed:
            raise self._unavailable()
        try:
            (reply,) = yield (command,)
            if isinstance(reply, Exception):
                raise needs_module(what) if is_unknown_command(reply) else refused(reply)
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
        first = self.breaker.last_error is None
        self.breaker.probing()
        try:
            (reply,) = yield (PROBE,)
        except TRANSPORT as error:
            self._probe_failed(error, first)
            return False
        if isinstance(reply, Exception) and absence_of(reply):
            self._probe_failed(reply, first)
            return False
        without = is_unknown_command(reply) and self.settings.backend == "auto"
        self.dialect = self._script if without or self.settings.backend == "script" else self._module
        self.breaker.recovered()
        if not first:
            self.announcer.state(CameBack(max(0.0, time.time() - away_since), self.dialect.source))
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
            if self.denials is not None:
                self.denials.forget_all()
            self.announcer.state(WentAway(describe(error), self.settings.on_failure))
            self.on_opened()
        return True

    def health(self) -> Health:
        """The state at this moment."""
        breaker = self.breaker
        return Health(
            state=breaker.state,
            since=datetime.fromtimestamp(breaker.since, timezone.utc),
            backend=("module" if self.dialect is self._module else "script") if self.remote else "local",
            on_failure=self.settings.on_failure,
            last_error=breaker.last_error,
            opened=breaker.opened,
            tracks=self.tracks(),
            local_keys=len(self.local),
            local_bytes=self.local.bytes,
            evicted=self.local.evicted,
        )

    def _ask(self, checks: Sequence[Check], records: bool) -> Flow[list[Decision]]:
        if len(checks) == 1:
            return [(yield from self._ask_one(checks[0], records))]
        if records and self._in_one_slot(checks):
            try:
                dialect, (reply,) = yield from self._exchange(lambda dialect: (dialect.mcheck(checks),))
            except OneByOne:
                pass
            else:
                return read_decisions(reply, dialect.source)
        return (yield from self._ask_each(checks, records))

    def _ask_one(self, check: Check, records: bool) -> Flow[Decision]:
        learning = self._wanted(check)
        dialect, replies = yield from self._exchange(
            lambda dialect: (dialect.check(check) if records else dialect.peek(check), *learning)
        )
        decision = self._read(check, replies[0], dialect)
        if learning:
            self._learn(check, replies[1])
        return decision

    def _ask_each(self, checks: Sequence[Check], records: bool) -> Flow[list[Decision]]:
        """A command for each; if one is denied, what the others recorded is taken back."""
        dialect, replies = yield from self._exchange(
            lambda dialect: [dialect.check(check) if records else dialect.peek(check) for check in checks]
        )
        decisions = [self._read_or_error(check, reply, dialect) for check, reply in zip(checks, replies, strict=True)]
        if records and not all(isinstance(decision, Decision) and decision for decision in decisions):
            # By the script, a shadow policy passes what it did not record.
            recorded = [place for place, reply in enumerate(replies) if _is_recorded(reply, dialect)]
            for place in recorded:
                decisions[place] = _before(decisions[place], checks[place].cost)
            if recorded:
                try:
                    # What this replies changes nothing: a unit that stays for its window errs on the side of the limit.
                    yield [dialect.refund(checks[place].key, checks[place].cost) for place in recorded]
                except TRANSPORT as error:
                    self.is_away(error)
        return [_settled(decision) for decision in decisions]

    def _read_or_error(self, check: Check, reply: Reply, dialect: Dialect) -> Decision | Exception:
        return refused(reply) if isinstance(reply, Exception) else self._read(check, reply, dialect)

    def _read(self, check: Check, reply: Reply, dialect: Dialect) -> Decision:
        decision = read_decision(reply, dialect.source)
        if dialect is self._script and not decision.allowed and known_terms(self.policies, check)[1]:
            return decision.unenforced()
        return decision

    def _exchange(self, commands: Callable[[Dialect], Sequence[Command]]) -> Flow[tuple[Dialect, list[Reply]]]:
        """The replies, by the dialect that the server turns out to speak."""
        dialect = self.dialect
        replies = list((yield commands(dialect)))
        if dialect is self._module and self.settings.backend == "auto" and is_unknown_command(replies[0]):
            self.dialect = dialect = self._script
            replies = list((yield commands(dialect)))
        if any(map(lacks_script, replies)):
            (loaded,) = yield (LOAD_SCRIPT,)
            if isinstance(loaded, Exception):
                raise loaded
            # Some nodes of a cluster may have had it: what was executed is not sent again.
            places = [place for place, reply in enumerate(replies) if lacks_script(reply)]
            asked = commands(dialect)
            for place, reply in zip(places, (yield [asked[place] for place in places]), strict=False):
                replies[place] = reply
        for reply in replies:
            if isinstance(reply, Exception) and absence_of(reply):
                raise reply
        return dialect, replies

    def _change(
        self, key: bytes, command: Callable[[Dialect], Command], locally: Callable[..., int], *arguments: int
    ) -> Flow[int]:
        try:
            if not self.remote:
                return locally(key, *arguments)
            if self.breaker.is_closed:
                try:
                    _, (reply,) = yield from self._exchange(lambda dialect: (command(dialect),))
                    count = read_count(reply)
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

    def _wanted(self, check: Check) -> tuple[Command, ...]:
        """The question for a policy that this process would need if the server went away."""
        policy = check.limits.policy
        if policy is None or self.dialect is self._script or self.settings.on_failure != "local":
            return ()
        return (("RL.POLICY", "GET", policy),) if self.policies.wants(policy) else ()

    def _learn(self, check: Check, reply: Reply) -> None:
        policy = check.limits.policy
        if policy is None or isinstance(reply, Exception):
            return
        if reply is None:
            self.policies.learn(policy, None, False)
            return
        fields = read_map(reply)
        self.policies.learn(policy, read_rules(fields["rules"]), text(fields["mode"]) == "shadow")

    def _in_one_slot(self, checks: Sequence[Check]) -> bool:
        return not self.cluster or len({key_slot(check.key) for check in checks}) == 1

    def _probe_failed(self, error: BaseException, first: bool) -> None:
        self.breaker.probe_failed(describe(error))
        if first:
            self.announcer.state(WentAway(describe(error), self.settings.on_failure))

    def _unavailable(self) -> UnavailableError:
        return UnavailableError(f"the server is away: {self.breaker.last_error or 'no connection has been made yet'}")


def _is_recorded(reply: Reply, dialect: Dialect) -> bool:
    return not isinstance(reply, Exception) and Decision.read(reply, dialect.source).allowed


def _before(decision: Decision | Exception, cost: int) -> Decision:
    """An allowed decision, as if it had recorded nothing."""
    told = _settled(decision)
    remaining = min(told.limit, told.remaining + cost)
    return Decision(True, told.limit, remaining, 0, told.reset_after_ms, told.window_ms, told.source)


def _settled(decision: Decision | Exception) -> Decision:
    if isinstance(decision, Exception):
        raise decision
    return decision
