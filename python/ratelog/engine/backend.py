"""The server of a limiter: which commands it understands, and how checks become commands. Does no I/O."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from redis.exceptions import ResponseError

from .._core import Decision, Policies, fallback_decision, hash_slot
from ..check import MAX_COST, has_recorded, unrecorded, with_excessive_cost
from .classify import TRANSPORT_ERRORS, LacksModuleError, classify
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

    from .._core import DenyCache
    from ..check import Check
    from ..settings import Settings
    from .operation import Operation


MODULE_PROBE_INTERVAL = 30.0
"""Seconds between two probes for the module on a server that lacked it."""


class _Answer(NamedTuple):
    reply: Reply
    dialect: Dialect
    """That of the command."""


class Backend:
    """Builds commands and reads replies. Raises errors of an unavailable server for the engine to handle."""

    def __init__(
        self,
        settings: Settings,
        policies: Policies,
        *,
        cluster: bool,
        record_failure: Callable[[BaseException], bool],
        deny_cache: DenyCache | None,
    ) -> None:
        """Denials in `deny_cache` end when their units are taken back, and when other logs are used."""
        self._settings = settings
        self._next_module_probe = 0.0
        self._policies = policies
        self._cluster = cluster
        self._record_failure = record_failure
        self._deny_cache = deny_cache
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
            ((reply, dialect),) = yield from self._recover(dialect, replies, _check_each, checks, record)
            _raise_unavailable([reply])
            return [self._parse(check, reply, dialect)]
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
        """Returns one decision per check. Fetches the policies with them."""
        queries: Sequence[Command] = [("RL.POLICY", "GET", policy) for policy in policies] if policies else ()
        if len(checks) == 1:
            answers = yield from self._execute(_check_each, checks, record, *queries)
            return [self._parse(checks[0], *answers[0])]
        if record and self._is_one_slot(checks):
            try:
                (reply, dialect), *_ = yield from self._execute(_mcheck, checks, *queries)
            except CannotCombineError:
                pass
            except ResponseError as error:
                if not is_split(error):
                    raise
            else:
                return parse_decisions(reply, dialect.source, [check.key for check in checks])
        return (yield from self._check_separately(checks, record, queries))

    def refund(self, key: bytes, cost: int) -> Operation[int]:
        """Returns the number of units taken back."""
        (answer,) = yield from self._execute(_refund, key, cost)
        return parse_count(answer.reply)

    def reset(self, key: bytes) -> Operation[int]:
        """Returns the number of units removed."""
        (answer,) = yield from self._execute(_reset, key)
        return parse_count(answer.reply)

    def take_back(self, checks: Sequence[Check]) -> Operation[Exception | None]:
        """Takes back the units of several checks. Returns the error if the server rejects it."""
        answers = yield from self._execute(_refund_each, checks)
        return next((reply for reply, _ in answers if isinstance(reply, Exception)), None)

    def find_rejected(self, checks: Sequence[Check]) -> Operation[Sequence[Exception | None]]:
        """Returns the error of each check that the server rejects."""
        # The script's commands need the rules of a policy, so an unknown policy is rejected by this process.
        unknown: dict[Check, Exception] = {}
        if self.dialect is self._script:
            errors = find_unknown(self._policies, checks)
            unknown = {check: error for check, error in zip(checks, errors, strict=True) if error is not None}
        others = [check for check in checks if check not in unknown]
        answers = (yield from self._execute(_check_each, others, False)) if others else ()
        replies = zip(others, (answer.reply for answer in answers), strict=True)
        rejected = {check: reply for check, reply in replies if isinstance(reply, Exception)}
        return [unknown.get(check) or rejected.get(check) for check in checks]

    def find_rejected_write(self, key: bytes) -> Operation[Exception | None]:
        """Returns the error if the server rejects writes to a key. Changes nothing."""
        (answer,) = yield from self._execute(_refund, key, 1)
        return answer.reply if isinstance(answer.reply, Exception) else None

    def execute_module_command(self, feature: str, command: Command) -> Operation[Reply]:
        """Runs a command that only the module has."""
        (reply,) = yield (command,)
        # An older module may lack a command that no check needs: the dialect stays.
        if is_unknown_command(reply):
            raise module_required(feature)
        if isinstance(reply, Exception):
            raise to_public_error(reply)
        return reply

    def lack_module(self) -> bool:
        """Uses the script from now on, if the settings allow it. Returns whether they do."""
        if self._settings.backend != "auto":
            return False
        if self.has_module:
            self._use(self._script)
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
    ) -> Operation[list[Decision]]:
        """Sends one command per check. If one is denied, takes back the units that the others recorded."""
        answers = yield from self._send(_check_each, checks, record, *queries)
        decided = list(zip(checks, answers, strict=False))
        outcomes = [self._parse_or_error(check, answer) for check, answer in decided]
        if record and not all(isinstance(outcome, Decision) and outcome for outcome in outcomes):
            # With the script, a shadow policy may allow a check that recorded nothing.
            recorded = [
                index
                for index, (check, (reply, dialect)) in enumerate(decided)
                if not isinstance(reply, Exception)
                and has_recorded(check, Decision.from_reply(reply, dialect.source, check.key))
            ]
            for index in recorded:
                outcomes[index] = unrecorded(_or_raise(outcomes[index]), checks[index].cost)
            if recorded:
                taken_back = [(checks[index], answers[index].dialect) for index in recorded]
                try:
                    # If this fails, the units stay for their window: the limit is never exceeded.
                    yield [dialect.refund(check.key, check.cost) for check, dialect in taken_back]
                except TRANSPORT_ERRORS as error:
                    self._record_failure(error)
                finally:
                    for check, _ in taken_back:
                        if self._deny_cache is not None:
                            self._deny_cache.invalidate(check.key)
        _raise_unavailable([answer.reply for answer in answers])
        return [_or_raise(outcome) for outcome in outcomes]

    def _parse_or_error(self, check: Check, answer: _Answer) -> Decision | Exception:
        reply, dialect = answer
        if not isinstance(reply, Exception):
            return self._parse(check, reply, dialect)
        if dialect is self._script and not classify(reply):
            rules, is_shadow = resolve_policy(self._policies, check)
            if is_shadow:
                return fallback_decision(True, rules, check.valid_cost, 0, check.key)
        return to_public_error(reply)

    def _parse(self, check: Check, reply: Reply, dialect: Dialect) -> Decision:
        decision = parse_decision(reply, dialect.source, check.key)
        if check.cost > MAX_COST:
            decision = with_excessive_cost(decision)
        if dialect is self._script and not decision.allowed and resolve_policy(self._policies, check)[1]:
            return decision.unenforced()
        return decision

    def _execute(self, build: Callable[..., Sequence[Command]], *arguments: object) -> Operation[list[_Answer]]:
        """Sends the commands that `build` makes for the server's dialect. Returns the answers.

        Raises the error of a server that is unavailable.
        """
        answers = yield from self._send(build, *arguments)
        _raise_unavailable([answer.reply for answer in answers])
        return answers

    def _send(self, build: Callable[..., Sequence[Command]], *arguments: object) -> Operation[list[_Answer]]:
        """Does what `_execute` does, and returns the errors of an unavailable server with the other answers.

        Stores the policies that the commands fetch.
        """
        dialect = self.dialect
        commands = build(dialect, *arguments)
        module_probe = self._module_probe()
        replies = list((yield [*commands, *module_probe]))
        if module_probe and (not classify(reply := replies.pop()) or self._is_about_slot(reply)):
            self._set_dialect(reply)
        for command, reply in zip(commands, replies, strict=True):
            if command[0] == "RL.POLICY":
                self._store_policy(str(command[2]), reply)
        for reply in replies:
            if isinstance(reply, Exception):
                return (yield from self._recover(dialect, replies, build, *arguments))
        return [_Answer(reply, dialect) for reply in replies]

    def _recover(
        self, dialect: Dialect, replies: Sequence[Reply], build: Callable[..., Sequence[Command]], *arguments: object
    ) -> Operation[list[_Answer]]:
        """Switches to the script if the server lacks the module, and loads the script if it is missing.

        Sends those commands again that were not executed. Returns the answers.
        """
        script = self._script
        if dialect is self._module and self._settings.backend == "auto" and is_unknown_command(replies[0]):
            self.lack_module()
            dialect = script
            replies = yield build(script, *arguments)
        answers = [_Answer(reply, dialect) for reply in replies]

        def send_again(places: Sequence[int]) -> Operation[None]:
            commands = build(script, *arguments)
            for place, reply in zip(places, (yield [commands[place] for place in places]), strict=True):
                answers[place] = _Answer(reply, script)

        # Other nodes of a cluster, to which commands were redirected, may lack the module.
        lacking = [place for place, (reply, _) in enumerate(answers) if isinstance(reply, LacksModuleError)]
        if lacking:
            yield from send_again(lacking)
        # Several nodes of a cluster may lack the script: it is loaded into the one that replied last.
        for _ in replies:
            missing = [place for place, (reply, _) in enumerate(answers) if is_missing_script(reply)]
            if not missing:
                break
            (loaded,) = yield (LOAD_SCRIPT,)
            if isinstance(loaded, Exception):
                for place in missing:
                    answers[place] = _Answer(loaded, script)
            else:
                yield from send_again(missing)
        return answers

    def _module_probe(self) -> tuple[Command, ...]:
        """From time to time, a probe for the module on a server that lacked it: it may have been loaded since."""
        if self.dialect is self._module or self._settings.backend == "script" or monotonic() < self._next_module_probe:
            return ()
        self._next_module_probe = monotonic() + MODULE_PROBE_INTERVAL
        return (probe(self.probe_key),)

    def _set_dialect(self, probe_reply: Reply) -> None:
        lacks_module = self._settings.backend == "auto" and is_unknown_command(probe_reply)
        self._use(self._script if lacks_module or self._settings.backend == "script" else self._module)
        self._next_module_probe = monotonic() + MODULE_PROBE_INTERVAL

    def _use(self, dialect: Dialect) -> None:
        if dialect is not self.dialect and self._deny_cache is not None:
            self._deny_cache.invalidate_all()
        self.dialect = dialect

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
