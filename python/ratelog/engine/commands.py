"""The commands that a server receives, and how its replies are parsed: the module's commands, or the Lua script."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Protocol

from redis.exceptions import NoScriptError, ResponseError

from .._core import SCRIPT, SCRIPT_SUFFIX, Decision, Limits, Policies
from ..errors import NeedsModuleError, NoPolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core import Source
    from ..check import Check

Command = tuple[bytes | str | int, ...]
Reply = object

SCRIPT_HASH = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
LOAD_SCRIPT: Command = ("SCRIPT", "LOAD", SCRIPT)
_SUFFIX = SCRIPT_SUFFIX.encode()
_KEY_INDEX = {"RL.MCHECK": 2, "RL.OVERRIDE": 2, "EVALSHA": 3, "SCRIPT": None, "RL.POLICY": None}
"""The position of the key in the commands in which it does not follow the name. Those with `None` have no key."""

UNKNOWN_HERE = "is known in this process"
"""The end of the error for a policy without a server that has the module."""
PROBE_KEY = b"ratelog:probe"


class CannotCombineError(Exception):
    """These checks cannot be one command; send a command for each."""


class Dialect(Protocol):
    """The commands of one kind of server."""

    source: Source

    def stored_name(self, key: bytes) -> bytes:
        """The name under which the server stores a key. Its hash slot decides the shard of a cluster."""

    def check(self, check: Check) -> Command: ...
    def peek(self, check: Check) -> Command: ...
    def mcheck(self, checks: Sequence[Check]) -> Command:
        """One command that checks all keys or none. Raises `CannotCombineError` if no command can."""

    def refund(self, key: bytes, cost: int) -> Command: ...
    def reset(self, key: bytes) -> Command: ...


class ModuleDialect:
    """The module's commands."""

    source: Source = "module"

    def stored_name(self, key: bytes) -> bytes:
        return key

    def check(self, check: Check) -> Command:
        if check.cost == 1:
            return ("RL.CHECK", check.key, *check.limits.args)
        return self._decide("RL.CHECK" if check.is_recorded else "RL.PEEK", check)

    def peek(self, check: Check) -> Command:
        return self._decide("RL.PEEK", check)

    def mcheck(self, checks: Sequence[Check]) -> Command:
        cost = checks[0].cost
        if not checks[0].is_recorded:
            raise CannotCombineError
        command: list[bytes | str | int] = ["RL.MCHECK", cost]
        for key, limits, other_cost in checks:
            args = limits.args
            if other_cost != cost or len(args) != 2:
                raise CannotCombineError
            command += (key, *args)
        return tuple(command)

    def refund(self, key: bytes, cost: int) -> Command:
        return ("RL.REFUND", key, "COST", cost)

    def reset(self, key: bytes) -> Command:
        return ("RL.RESET", key)

    def _decide(self, name: str, check: Check) -> Command:
        cost = check.valid_cost
        if cost == 1:
            return (name, check.key, *check.limits.args)
        return (name, check.key, *check.limits.args, "COST", cost)


class ScriptDialect:
    """The script, for a server without the module. Resolves policies in this process."""

    source: Source = "script"

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def stored_name(self, key: bytes) -> bytes:
        return key + _SUFFIX

    def check(self, check: Check) -> Command:
        return self._decide("check" if check.is_recorded else "peek", check)

    def peek(self, check: Check) -> Command:
        return self._decide("peek", check)

    def mcheck(self, checks: Sequence[Check]) -> Command:
        cost = checks[0].cost
        args: list[str] = []
        for check in checks:
            rules, is_shadow = resolve_policy(self._policies, check)
            if check.cost != cost or is_shadow or not check.is_recorded:
                raise CannotCombineError
            args += rules.script_args
        return (*self._call(*(check.key for check in checks)), "mcheck", cost, *args)

    def refund(self, key: bytes, cost: int) -> Command:
        return (*self._call(key), "refund", cost)

    def reset(self, key: bytes) -> Command:
        return (*self._call(key), "reset")

    def _decide(self, name: str, check: Check) -> Command:
        rules, _ = resolve_policy(self._policies, check)
        return (*self._call(check.key), name, check.valid_cost, *rules.script_args)

    def _call(self, *keys: bytes) -> Command:
        return ("EVALSHA", SCRIPT_HASH, len(keys), *map(self.stored_name, keys))


def resolve_policy(policies: Policies, check: Check) -> tuple[Limits, bool]:
    """Returns the rules of a check, and whether they are a shadow policy's.

    Raises:
        NoPolicyError: this process does not know the policy.
    """
    try:
        return policies.resolve(check.limits)
    except LookupError:
        raise NoPolicyError(f"no policy named '{check.limits}' {UNKNOWN_HERE}") from None


def key_of(command: Command) -> bytes | None:
    """The key, or the first key, of a command; `None` if it has none."""
    index = _KEY_INDEX.get(str(command[0]), 1)
    key = command[index] if index is not None and index < len(command) else None
    return key.encode() if isinstance(key, str) else key if isinstance(key, bytes) else None


def probe(key: bytes) -> Command:
    """A write that changes nothing: a replica and a server that is loading both reject it."""
    return ("RL.REFUND", key)


def find_unknown(policies: Policies, checks: Sequence[Check]) -> list[NoPolicyError | None]:
    """Returns the error of each check whose policy this process does not know."""
    errors: list[NoPolicyError | None] = []
    for check in checks:
        try:
            resolve_policy(policies, check)
        except NoPolicyError as error:
            errors.append(error)
        else:
            errors.append(None)
    return errors


def parse_decision(reply: Reply, source: Source, key: bytes) -> Decision:
    """Parses the decision for a key. Raises the reply if it is an error."""
    if isinstance(reply, Exception):
        raise to_public_error(reply)
    return Decision.from_reply(reply, source, key)


def parse_decisions(reply: Reply, source: Source, keys: Sequence[bytes]) -> list[Decision]:
    """Parses one decision per key. Raises the reply if it is an error."""
    if isinstance(reply, list) and len(reply) == len(keys):
        return [Decision.from_reply(item, source, key) for item, key in zip(reply, keys, strict=True)]
    if isinstance(reply, Exception):
        raise to_public_error(reply)
    raise ResponseError(f"expected one decision for each of {len(keys)} keys, not {reply!r}")


def parse_count(reply: Reply) -> int:
    """Parses an integer. Raises the reply if it is an error."""
    if isinstance(reply, Exception):
        raise to_public_error(reply)
    if type(reply) is not int:
        raise ResponseError(f"expected an integer, not {reply!r}")
    return reply


def to_public_error(error: Exception) -> Exception:
    """The error to raise to the caller for an error of the server."""
    text = str(error)
    if text.startswith("NOPOLICY"):
        return NoPolicyError(text.removeprefix("NOPOLICY "))
    if is_unknown_command(error):
        return module_required("the setting backend='module'")
    return error


def has_script_form(command: Command) -> bool:
    """Whether a command of the module is an operation that the script has too."""
    return command[0] in {"RL.CHECK", "RL.MCHECK", "RL.PEEK", "RL.REFUND", "RL.RESET"}


def is_unknown_command(reply: Reply) -> bool:
    """Whether the server does not know the command, and therefore lacks the module."""
    return isinstance(reply, ResponseError) and str(reply).lower().removeprefix("err ").startswith("unknown command")


def is_missing_script(reply: Reply) -> bool:
    """Whether the script has to be loaded into the server."""
    return isinstance(reply, NoScriptError)


def module_required(feature: str) -> NeedsModuleError:
    """The error for a feature that the script does not have."""
    return NeedsModuleError(f"{feature} needs the Ratelog module, which this server does not have")
