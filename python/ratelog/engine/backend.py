"""How the server is asked: by the module's commands or by the script, whichever it turns out to speak.

Does no I/O: each operation is a `Flow`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from redis.crc import key_slot

from .._core import Decision, Policies
from .classify import TRANSPORT, absence_of
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
from .overrides import read_map, read_rules, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..check import Check
    from ..settings import Settings
    from .operation import Flow


LOOK = 30.0
"""Seconds between two looks for the module on a server that had none."""


class Server:
    """What is known of the server, and what it is asked. An absence is raised, as `failure` knows it."""

    def __init__(
        self,
        settings: Settings,
        policies: Policies,
        *,
        cluster: bool,
        is_away: Callable[[BaseException], bool],
        forget: Callable[[bytes], None],
    ) -> None:
        """`forget` hears of keys of which units were taken back: a denial that these led to may be over."""
        self._settings = settings
        self._look_at = 0.0
        self._policies = policies
        self._cluster = cluster
        self._is_away = is_away
        self._forget = forget
        self._module = Module()
        self._script = Script(policies)
        self.dialect: Dialect = self._script if settings.backend == "script" else self._module

    @property
    def has_module(self) -> bool:
        """Whether it is asked by the module's commands."""
        return self.dialect is self._module

    def check(self, checks: Sequence[Check], *, records: bool) -> Flow[list[Decision]]:
        """All of them or none; a decision each."""
        if len(checks) == 1:
            (check,) = checks
            learning = self._wanted(check)
            dialect, replies = yield from self._exchange(_each, checks, records, *learning)
            decision = self._read(check, replies[0], dialect)
            if learning:
                self._learn(check, replies[1])
            return [decision]
        if records and self._in_one_slot(checks):
            try:
                dialect, (reply,) = yield from self._exchange(_together, checks)
            except OneByOne:
                pass
            else:
                return read_decisions(reply, dialect.source)
        return (yield from self._check_each(checks, records))

    def refund(self, key: bytes, cost: int) -> Flow[int]:
        """Units taken back."""
        _, (reply,) = yield from self._exchange(_refund, key, cost)
        return read_count(reply)

    def reset(self, key: bytes) -> Flow[int]:
        """Units forgotten."""
        _, (reply,) = yield from self._exchange(_reset, key)
        return read_count(reply)

    def manage(self, what: str, command: Command) -> Flow[Reply]:
        """A command that only the module has."""
        (reply,) = yield (command,)
        if isinstance(reply, Exception):
            raise needs_module(what) if is_unknown_command(reply) else refused(reply)
        return reply

    def probe(self) -> Flow[None]:
        """Whether it is there, and its dialect."""
        (reply,) = yield (PROBE,)
        if isinstance(reply, Exception) and absence_of(reply):
            raise reply
        self._seen(reply)

    def _check_each(self, checks: Sequence[Check], records: bool) -> Flow[list[Decision]]:
        """A command for each; if one is denied, what the others recorded is taken back."""
        dialect, replies = yield from self._exchange(_each, checks, records)
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
                    self._is_away(error)
                finally:
                    for place in recorded:
                        self._forget(checks[place].key)
        return [_settled(decision) for decision in decisions]

    def _read_or_error(self, check: Check, reply: Reply, dialect: Dialect) -> Decision | Exception:
        return refused(reply) if isinstance(reply, Exception) else self._read(check, reply, dialect)

    def _read(self, check: Check, reply: Reply, dialect: Dialect) -> Decision:
        decision = read_decision(reply, dialect.source)
        if dialect is self._script and not decision.allowed and known_terms(self._policies, check)[1]:
            return decision.unenforced()
        return decision

    def _exchange(
        self, commands: Callable[..., Sequence[Command]], *arguments: object
    ) -> Flow[tuple[Dialect, list[Reply]]]:
        """The replies to what `commands` has a dialect ask, and the dialect that the server turned out to speak."""
        dialect = self.dialect
        looking = self._looking()
        replies = list((yield [*commands(dialect, *arguments), *looking]))
        if looking and not absence_of(reply := replies.pop()):
            self._seen(reply)
        if dialect is self._module and self._settings.backend == "auto" and is_unknown_command(replies[0]):
            self.dialect = dialect = self._script
            replies = list((yield commands(dialect, *arguments)))
        if any(map(lacks_script, replies)):
            (loaded,) = yield (LOAD_SCRIPT,)
            if isinstance(loaded, Exception):
                raise loaded
            # Some nodes of a cluster may have had it: what was executed is not sent again.
            places = [place for place, reply in enumerate(replies) if lacks_script(reply)]
            asked = commands(dialect, *arguments)
            for place, reply in zip(places, (yield [asked[place] for place in places]), strict=False):
                replies[place] = reply
        for reply in replies:
            if isinstance(reply, Exception) and absence_of(reply):
                raise reply
        return dialect, replies

    def _looking(self) -> tuple[Command, ...]:
        """The question whether a server that is asked by the script has got the module, now and then."""
        if self.dialect is self._module or self._settings.backend == "script" or monotonic() < self._look_at:
            return ()
        self._look_at = monotonic() + LOOK
        return (PROBE,)

    def _seen(self, reply: Reply) -> None:
        """The reply to a probe, which was none of an absence."""
        without = self._settings.backend == "script" or (self._settings.backend == "auto" and is_unknown_command(reply))
        self.dialect = self._script if without else self._module
        self._look_at = monotonic() + LOOK

    def _wanted(self, check: Check) -> tuple[Command, ...]:
        """The question for a policy that this process would need if the server went away."""
        policy = check.limits.policy
        if policy is None or self.dialect is self._script or self._settings.on_failure != "local":
            return ()
        return (("RL.POLICY", "GET", policy),) if self._policies.wants(policy) else ()

    def _learn(self, check: Check, reply: Reply) -> None:
        policy = check.limits.policy
        if policy is None or isinstance(reply, Exception):
            return
        if reply is None:
            self._policies.learn(policy, None, False)
            return
        fields = read_map(reply)
        self._policies.learn(policy, read_rules(fields["rules"]), text(fields["mode"]) == "shadow")

    def _in_one_slot(self, checks: Sequence[Check]) -> bool:
        return not self._cluster or len({key_slot(check.key) for check in checks}) == 1


def _each(dialect: Dialect, checks: Sequence[Check], records: bool, *others: Command) -> Sequence[Command]:
    return [*map(dialect.check if records else dialect.peek, checks), *others]


def _together(dialect: Dialect, checks: Sequence[Check]) -> Sequence[Command]:
    return (dialect.mcheck(checks),)


def _refund(dialect: Dialect, key: bytes, cost: int) -> Sequence[Command]:
    return (dialect.refund(key, cost),)


def _reset(dialect: Dialect, key: bytes) -> Sequence[Command]:
    return (dialect.reset(key),)


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
