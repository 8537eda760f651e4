"""The server of a limiter: which commands it understands, and how checks become commands. Does no I/O."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from .._core import Decision, Policies, hash_slot
from ..check import MAX_COST, has_recorded, unrecorded, with_excessive_cost
from .classify import TRANSPORT_ERRORS, classify
from .commands import (
    LOAD_SCRIPT,
    PROBE_KEY,
    CannotCombineError,
    Command,
    Dialect,
    ModuleDialect,
    Reply,
    ScriptDialect,
    find_unknown,
    is_missing_script,
    is_unknown_command,
    module_required,
    parse_count,
    parse_decision,
    parse_decisions,
    probe,
    resolve_policy,
    to_public_error,
)
from .overrides import parse_map, parse_rules, text
from .redirect import is_about_slot, is_split

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
        self.probe_key = PROBE_KEY
        """A key that this user may write."""
        self.dialect: Dialect = self._script if settings.backend == "script" else self._module

    @property
    def has_module(self) -> bool:
        """Whether the module's commands are in use."""
        return self.dialect is self._module

    def check(self, checks: Sequence[Check], *, record: bool) -> Operation[list[Decision]]:
        """Checks all keys or none. Returns one decision per check."""
        policies = self._policies_to_fetch(checks)
        if policies:
            return self._fetching(policies, self._check(checks, record, policies))
        if len(checks) == 1 and self.dialect is self._module:
            return self._check_one(checks, record)
        return self._check(checks, record, policies)

    def _check_one(self, checks: Sequence[Check], record: bool) -> Operation[list[Decision]]:
        """Does what `_check` does, in less time, for the usual check: of one key, with the module's command."""
        (check,) = checks
        dialect: Dialect = self._module
        replies = yield (dialect.check(check) if record else dialect.peek(check),)
        if isinstance(replies[0], Exception):
            dialect, replies = yield from self._recover(dialect, replies, _check_each, checks, record)
            _raise_unavailable(replies)
        return [self._parse(check, replies[0], dialect)]

    def _fetching(self, policies: Sequence[str], operation: Operation[list[Decision]]) -> Operation[list[Decision]]:
        """Runs a check that fetches policies. If it fails, later checks fetch them."""
        try:
            return (yield from operation)
        except BaseException:  # also a check that is given up
            for policy in policies:
                self._policies.fetch_failed(policy)
            raise

    def _check(self, checks: Sequence[Check], record: bool, policies: Sequence[str]) -> Operation[list[Decision]]:
        """Returns one decision per check. Stores the policies, which are fetched with them."""
        queries: Sequence[Command] = [("RL.POLICY", "GET", policy) for policy in policies] if policies else ()
        decisions: list[Decision] | None = None
        if len(checks) == 1:
            dialect, replies = yield from self._execute(_check_each, checks, record, *queries)
            decisions = [self._parse(checks[0], replies[0], dialect)]
        elif record and self._is_one_slot(checks):
            try:
                dialect, replies = yield from self._execute(_mcheck, checks, *queries)
            except CannotCombineError:
                pass
            except ResponseError as error:
                if not is_split(error):
                    raise
            else:
                decisions = parse_decisions(replies[0], dialect.source, [check.key for check in checks])
        if decisions is None:
            decisions, replies = yield from self._check_separately(checks, record, queries)
        if policies:
            for policy, reply in zip(policies, replies[-len(policies) :], strict=True):
                self._store_policy(policy, reply)
        return decisions

    def refund(self, key: bytes, cost: int) -> Operation[int]:
        """Returns the number of units taken back."""
        _, (reply,) = yield from self._execute(_refund, key, cost)
        return parse_count(reply)

    def reset(self, key: bytes) -> Operation[int]:
        """Returns the number of units removed."""
        _, (reply,) = yield from self._execute(_reset, key)
        return parse_count(reply)

    def take_back(self, checks: Sequence[Check]) -> Operation[Exception | None]:
        """Takes back the units of several checks. Returns the error if the server rejects it."""
        _, replies = yield from self._execute(_refund_each, checks)
        return next((reply for reply in replies if isinstance(reply, Exception)), None)

    def find_rejected(self, checks: Sequence[Check]) -> Operation[Sequence[Exception | None]]:
        """Returns the error of each check that the server rejects."""
        # The script's commands need the rules of a policy, so an unknown policy is rejected by this process.
        unknown: dict[Check, Exception] = {}
        if self.dialect is self._script:
            errors = find_unknown(self._policies, checks)
            unknown = {check: error for check, error in zip(checks, errors, strict=True) if error is not None}
        others = [check for check in checks if check not in unknown]
        replies = (yield from self._execute(_check_each, others, False))[1] if others else ()
        rejected = {check: reply for check, reply in zip(others, replies, strict=True) if isinstance(reply, Exception)}
        return [unknown.get(check) or rejected.get(check) for check in checks]

    def find_rejected_write(self, key: bytes) -> Operation[Exception | None]:
        """Returns the error if the server rejects writes to a key. Changes nothing."""
        _, (reply,) = yield from self._execute(_refund, key, 1)
        return reply if isinstance(reply, Exception) else None

    def execute_module_command(self, feature: str, command: Command) -> Operation[Reply]:
        """Runs a command that only the module has."""
        (reply,) = yield (command,)
        if is_unknown_command(reply):
            self.lack_module()
            raise module_required(feature)
        if isinstance(reply, Exception):
            raise to_public_error(reply)
        return reply

    def lack_module(self) -> bool:
        """Uses the script from now on, if the settings allow it. Returns whether they do."""
        if self._settings.backend != "auto":
            return False
        if self.has_module:
            self.dialect = self._script
            self._next_module_probe = monotonic() + MODULE_PROBE_INTERVAL
        return True

    def is_module_probe(self, command: Command) -> bool:
        """Whether a command asks whether this server has the module."""
        return command == probe(self.probe_key)

    def probe(self) -> Operation[None]:
        """Checks that the server is available, and detects its dialect."""
        (reply,) = yield (probe(self.probe_key),)
        self._raise_if_unavailable(reply)
        if is_unknown_command(reply):
            # A server rejects an unknown command before it looks whether it accepts writes.
            (unlinked,) = yield (("UNLINK", self._script.stored_name(self.probe_key)),)
            self._raise_if_unavailable(unlinked)
        self._set_dialect(reply)

    def _raise_if_unavailable(self, reply: Reply) -> None:
        if isinstance(reply, Exception) and classify(reply) and not self._is_about_slot(reply):
            raise reply

    def _check_separately(
        self, checks: Sequence[Check], record: bool, queries: Sequence[Command]
    ) -> Operation[tuple[list[Decision], Sequence[Reply]]]:
        """Sends one command per check. If one is denied, takes back the units that the others recorded.

        Returns the replies, too.
        """
        dialect, all_replies = yield from self._send(_check_each, checks, record, *queries)
        replies = all_replies[: len(checks)]
        outcomes = [self._parse_or_error(check, reply, dialect) for check, reply in zip(checks, replies, strict=True)]
        if record and not all(isinstance(outcome, Decision) and outcome for outcome in outcomes):
            # With the script, a shadow policy may allow a check that recorded nothing.
            recorded = [
                index
                for index, (check, reply) in enumerate(zip(checks, replies, strict=True))
                if not isinstance(reply, Exception)
                and has_recorded(check, Decision.from_reply(reply, dialect.source, check.key))
            ]
            for index in recorded:
                outcomes[index] = unrecorded(_or_raise(outcomes[index]), checks[index].cost)
            if recorded:
                try:
                    # If this fails, the units stay for their window: the limit is never exceeded.
                    yield [dialect.refund(checks[index].key, checks[index].cost) for index in recorded]
                except TRANSPORT_ERRORS as error:
                    self._record_failure(error)
                finally:
                    for index in recorded:
                        self._invalidate(checks[index].key)
        _raise_unavailable(all_replies)
        return [_or_raise(outcome) for outcome in outcomes], all_replies

    def _parse_or_error(self, check: Check, reply: Reply, dialect: Dialect) -> Decision | Exception:
        return to_public_error(reply) if isinstance(reply, Exception) else self._parse(check, reply, dialect)

    def _parse(self, check: Check, reply: Reply, dialect: Dialect) -> Decision:
        decision = parse_decision(reply, dialect.source, check.key)
        if check.cost > MAX_COST:
            decision = with_excessive_cost(decision)
        if dialect is self._script and not decision.allowed and resolve_policy(self._policies, check)[1]:
            return decision.unenforced()
        return decision

    def _execute(
        self, build: Callable[..., Sequence[Command]], *arguments: object
    ) -> Operation[tuple[Dialect, Sequence[Reply]]]:
        """Sends the commands that `build` makes for the server's dialect. Returns the replies and their dialect.

        Raises the error of a server that is unavailable.
        """
        dialect, replies = yield from self._send(build, *arguments)
        _raise_unavailable(replies)
        return dialect, replies

    def _send(
        self, build: Callable[..., Sequence[Command]], *arguments: object
    ) -> Operation[tuple[Dialect, Sequence[Reply]]]:
        """Does what `_execute` does, and returns the errors of an unavailable server with the other replies."""
        dialect = self.dialect
        module_probe = self._module_probe()
        replies = list((yield [*build(dialect, *arguments), *module_probe]))
        if module_probe and (not classify(reply := replies.pop()) or self._is_about_slot(reply)):
            self._set_dialect(reply)
        for reply in replies:
            if isinstance(reply, Exception):
                return (yield from self._recover(dialect, replies, build, *arguments))
        return dialect, replies

    def _recover(
        self, dialect: Dialect, received: Sequence[Reply], build: Callable[..., Sequence[Command]], *arguments: object
    ) -> Operation[tuple[Dialect, Sequence[Reply]]]:
        """Switches to the script if the server lacks the module, and loads the script if it is missing.

        Sends those commands again that were not executed. Returns the replies and the dialect that they are in.
        """
        replies = list(received)
        if dialect is self._module and is_unknown_command(replies[0]) and self.lack_module():
            dialect = self._script
            replies = list((yield build(dialect, *arguments)))
        # Several nodes of a cluster may lack the script: it is loaded into the one that replied last.
        for _ in replies:
            # A command that was executed is not sent again.
            missing = [index for index, reply in enumerate(replies) if is_missing_script(reply)]
            if not missing:
                break
            (loaded,) = yield (LOAD_SCRIPT,)
            if isinstance(loaded, Exception):
                received = [loaded] * len(missing)
            else:
                commands = build(dialect, *arguments)
                received = yield [commands[index] for index in missing]
            for index, reply in zip(missing, received, strict=True):
                replies[index] = reply
        return dialect, replies

    def _module_probe(self) -> tuple[Command, ...]:
        """From time to time, a probe for the module on a server that lacked it: it may have been loaded since."""
        if self.dialect is self._module or self._settings.backend == "script" or monotonic() < self._next_module_probe:
            return ()
        self._next_module_probe = monotonic() + MODULE_PROBE_INTERVAL
        return (probe(self.probe_key),)

    def _set_dialect(self, probe_reply: Reply) -> None:
        lacks_module = self._settings.backend == "auto" and is_unknown_command(probe_reply)
        self.dialect = self._script if lacks_module or self._settings.backend == "script" else self._module
        self._next_module_probe = monotonic() + MODULE_PROBE_INTERVAL

    def _policies_to_fetch(self, checks: Sequence[Check]) -> list[str]:
        """Policies of the checks that this process needs to know when the server is unavailable."""
        if self.dialect is self._script or self._settings.fallback != "local":
            return []
        policies = []
        for check in checks:
            policy = check.limits.policy
            if policy is not None and self._policies.should_fetch(policy):
                policies.append(policy)
        return policies

    def _store_policy(self, policy: str, reply: Reply) -> None:
        # The last known rules are kept for a policy that the server has lost.
        if reply is not None and not isinstance(reply, Exception):
            fields = parse_map(reply)
            self._policies.insert(policy, parse_rules(fields["rules"]), text(fields["mode"]) == "shadow")

    def _is_about_slot(self, reply: Reply) -> bool:
        """Whether a node is available, but another one owns the slot of the key."""
        return self._cluster and is_about_slot(reply)

    def _is_one_slot(self, checks: Sequence[Check]) -> bool:
        return not self._cluster or len({hash_slot(self.dialect.stored_name(check.key)) for check in checks}) == 1


def _check_each(dialect: Dialect, checks: Sequence[Check], record: bool, *others: Command) -> Sequence[Command]:
    return [*map(dialect.check if record else dialect.peek, checks), *others]


def _mcheck(dialect: Dialect, checks: Sequence[Check], *others: Command) -> Sequence[Command]:
    return (dialect.mcheck(checks), *others)


def _refund(dialect: Dialect, key: bytes, cost: int) -> Sequence[Command]:
    return (dialect.refund(key, cost),)


def _refund_each(dialect: Dialect, checks: Sequence[Check]) -> Sequence[Command]:
    return [dialect.refund(check.key, check.cost) for check in checks]


def _reset(dialect: Dialect, key: bytes) -> Sequence[Command]:
    return (dialect.reset(key),)


def _raise_unavailable(replies: Sequence[Reply]) -> None:
    for reply in replies:
        if isinstance(reply, Exception) and classify(reply):
            raise reply


def _or_raise(outcome: Decision | Exception) -> Decision:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
