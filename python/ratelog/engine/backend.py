"""The server of a limiter: which commands it understands, and how checks become commands. Does no I/O."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from redis.crc import key_slot

from .._core import Decision, Policies
from .classify import TRANSPORT_ERRORS, classify
from .commands import (
    LOAD_SCRIPT,
    PROBE,
    CannotCombineError,
    Command,
    Dialect,
    ModuleDialect,
    Reply,
    ScriptDialect,
    is_missing_script,
    is_unknown_command,
    module_required,
    parse_count,
    parse_decision,
    parse_decisions,
    resolve_policy,
    to_public_error,
)
from .overrides import parse_map, parse_rules, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..check import Check
    from ..settings import Settings
    from .operation import Operation


MODULE_PROBE_INTERVAL = 30.0
"""Seconds between two probes for the module on a server that lacked it."""


class Backend:
    """Builds commands and reads replies. Raises errors of an unavailable server for the engine to handle."""

    def __init__(
        self,
        settings: Settings,
        policies: Policies,
        *,
        cluster: bool,
        record_failure: Callable[[BaseException], bool],
        invalidate: Callable[[bytes], None],
    ) -> None:
        """`invalidate` receives each key whose units are taken back: cached denials of it may be outdated."""
        self._settings = settings
        self._next_module_probe = 0.0
        self._policies = policies
        self._cluster = cluster
        self._record_failure = record_failure
        self._invalidate = invalidate
        self._module = ModuleDialect()
        self._script = ScriptDialect(policies)
        self.dialect: Dialect = self._script if settings.backend == "script" else self._module

    @property
    def has_module(self) -> bool:
        """Whether the module's commands are in use."""
        return self.dialect is self._module

    def check(self, checks: Sequence[Check], *, record: bool) -> Operation[list[Decision]]:
        """Checks all keys or none. Returns one decision per check."""
        if len(checks) == 1:
            (check,) = checks
            policy_query = self._policy_query(check)
            try:
                dialect, replies = yield from self._execute(_check_each, checks, record, *policy_query)
                decision = self._parse(check, replies[0], dialect)
            except Exception:
                if policy_query and check.limits.policy is not None:
                    self._policies.fetch_failed(check.limits.policy)
                raise
            if policy_query:
                self._store_policy(check, replies[1])
            return [decision]
        if record and self._is_one_slot(checks):
            try:
                dialect, (reply,) = yield from self._execute(_mcheck, checks)
            except CannotCombineError:
                pass
            else:
                return parse_decisions(reply, dialect.source)
        return (yield from self._check_separately(checks, record))

    def refund(self, key: bytes, cost: int) -> Operation[int]:
        """Returns the number of units taken back."""
        _, (reply,) = yield from self._execute(_refund, key, cost)
        return parse_count(reply)

    def reset(self, key: bytes) -> Operation[int]:
        """Returns the number of units removed."""
        _, (reply,) = yield from self._execute(_reset, key)
        return parse_count(reply)

    def execute_module_command(self, feature: str, command: Command) -> Operation[Reply]:
        """Runs a command that only the module has."""
        (reply,) = yield (command,)
        if is_unknown_command(reply):
            if self._settings.backend == "auto":
                self.dialect = self._script
            raise module_required(feature)
        if isinstance(reply, Exception):
            raise to_public_error(reply)
        return reply

    def probe(self) -> Operation[None]:
        """Checks that the server is available, and detects its dialect."""
        (reply,) = yield (PROBE,)
        if isinstance(reply, Exception) and classify(reply):
            raise reply
        self._set_dialect(reply)

    def _check_separately(self, checks: Sequence[Check], record: bool) -> Operation[list[Decision]]:
        """Sends one command per check. If one is denied, takes back the units that the others recorded."""
        dialect, replies = yield from self._execute(_check_each, checks, record)
        outcomes = [self._parse_or_error(check, reply, dialect) for check, reply in zip(checks, replies, strict=True)]
        if record and not all(isinstance(outcome, Decision) and outcome for outcome in outcomes):
            # With the script, a shadow policy may allow a check that recorded nothing.
            recorded = [index for index, reply in enumerate(replies) if _is_recorded(reply, dialect)]
            for index in recorded:
                outcomes[index] = _as_unrecorded(outcomes[index], checks[index].cost)
            if recorded:
                try:
                    # If this fails, the units stay for their window: the limit is never exceeded.
                    yield [dialect.refund(checks[index].key, checks[index].cost) for index in recorded]
                except TRANSPORT_ERRORS as error:
                    self._record_failure(error)
                finally:
                    for index in recorded:
                        self._invalidate(checks[index].key)
        return [_or_raise(outcome) for outcome in outcomes]

    def _parse_or_error(self, check: Check, reply: Reply, dialect: Dialect) -> Decision | Exception:
        return to_public_error(reply) if isinstance(reply, Exception) else self._parse(check, reply, dialect)

    def _parse(self, check: Check, reply: Reply, dialect: Dialect) -> Decision:
        decision = parse_decision(reply, dialect.source)
        if dialect is self._script and not decision.allowed and resolve_policy(self._policies, check)[1]:
            return decision.unenforced()
        return decision

    def _execute(
        self, build: Callable[..., Sequence[Command]], *arguments: object
    ) -> Operation[tuple[Dialect, list[Reply]]]:
        """Sends the commands that `build` makes for the server's dialect.

        Switches to the script if the server lacks the module, and loads the script if it is missing. Returns the
        replies and the dialect that they are in.
        """
        dialect = self.dialect
        module_probe = self._module_probe()
        replies = list((yield [*build(dialect, *arguments), *module_probe]))
        if module_probe and not classify(reply := replies.pop()):
            self._set_dialect(reply)
        if dialect is self._module and self._settings.backend == "auto" and is_unknown_command(replies[0]):
            self.dialect = dialect = self._script
            replies = list((yield build(dialect, *arguments)))
        if any(map(is_missing_script, replies)):
            (loaded,) = yield (LOAD_SCRIPT,)
            if isinstance(loaded, Exception):
                raise loaded
            # Only some nodes of a cluster may lack the script. A command that was executed is not sent again.
            missing = [index for index, reply in enumerate(replies) if is_missing_script(reply)]
            commands = build(dialect, *arguments)
            for index, reply in zip(missing, (yield [commands[index] for index in missing]), strict=False):
                replies[index] = reply
        for reply in replies:
            if isinstance(reply, Exception) and classify(reply):
                raise reply
        return dialect, replies

    def _module_probe(self) -> tuple[Command, ...]:
        """From time to time, a probe for the module on a server that lacked it: it may have been loaded since."""
        if self.dialect is self._module or self._settings.backend == "script" or monotonic() < self._next_module_probe:
            return ()
        self._next_module_probe = monotonic() + MODULE_PROBE_INTERVAL
        return (PROBE,)

    def _set_dialect(self, probe_reply: Reply) -> None:
        lacks_module = self._settings.backend == "auto" and is_unknown_command(probe_reply)
        self.dialect = self._script if lacks_module or self._settings.backend == "script" else self._module
        self._next_module_probe = monotonic() + MODULE_PROBE_INTERVAL

    def _policy_query(self, check: Check) -> tuple[Command, ...]:
        """A query for the check's policy, which this process needs when the server is unavailable."""
        policy = check.limits.policy
        if policy is None or self.dialect is self._script or self._settings.fallback != "local":
            return ()
        return (("RL.POLICY", "GET", policy),) if self._policies.should_fetch(policy) else ()

    def _store_policy(self, check: Check, reply: Reply) -> None:
        policy = check.limits.policy
        if policy is None or isinstance(reply, Exception):
            return
        if reply is None:
            self._policies.insert(policy, None, False)
            return
        fields = parse_map(reply)
        self._policies.insert(policy, parse_rules(fields["rules"]), text(fields["mode"]) == "shadow")

    def _is_one_slot(self, checks: Sequence[Check]) -> bool:
        return not self._cluster or len({key_slot(check.key) for check in checks}) == 1


def _check_each(dialect: Dialect, checks: Sequence[Check], record: bool, *others: Command) -> Sequence[Command]:
    return [*map(dialect.check if record else dialect.peek, checks), *others]


def _mcheck(dialect: Dialect, checks: Sequence[Check]) -> Sequence[Command]:
    return (dialect.mcheck(checks),)


def _refund(dialect: Dialect, key: bytes, cost: int) -> Sequence[Command]:
    return (dialect.refund(key, cost),)


def _reset(dialect: Dialect, key: bytes) -> Sequence[Command]:
    return (dialect.reset(key),)


def _is_recorded(reply: Reply, dialect: Dialect) -> bool:
    return not isinstance(reply, Exception) and Decision.from_reply(reply, dialect.source).allowed


def _as_unrecorded(outcome: Decision | Exception, cost: int) -> Decision:
    """An allowed decision as it would be if its units had not been recorded."""
    decision = _or_raise(outcome)
    remaining = min(decision.limit, decision.remaining + cost)
    return Decision(True, decision.limit, remaining, 0, decision.reset_after_ms, decision.window_ms, decision.source)


def _or_raise(outcome: Decision | Exception) -> Decision:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
