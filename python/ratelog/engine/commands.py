"""What a server is asked, as words, and how its replies are read: by the module's commands, or by the script."""

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

PROBE_KEY = b"ratelog:probe"
PROBE: Command = ("RL.REFUND", PROBE_KEY)
"""Changes nothing, and yet is a write: a replica refuses it, and so does a server that loads."""


class OneByOne(Exception):  # noqa: N818 - it is no error, but another way
    """These checks need a command each."""


class Dialect(Protocol):
    """The commands of one kind of server."""

    source: Source

    def check(self, check: Check) -> Command: ...
    def peek(self, check: Check) -> Command: ...
    def mcheck(self, checks: Sequence[Check]) -> Command:
        """One command that decides them all or nothing. Raises `OneByOne` if there is none for these."""

    def refund(self, key: bytes, cost: int) -> Command: ...
    def reset(self, key: bytes) -> Command: ...


class Module:
    """The module's commands."""

    source: Source = "module"

    def check(self, check: Check) -> Command:
        return self._decide("RL.CHECK", check)

    def peek(self, check: Check) -> Command:
        return self._decide("RL.PEEK", check)

    def mcheck(self, checks: Sequence[Check]) -> Command:
        cost = checks[0].cost
        words: list[bytes | str | int] = ["RL.MCHECK", cost]
        for check in checks:
            terms = check.limits.words
            if check.cost != cost or len(terms) != 2:
                raise OneByOne
            words += (check.key, *terms)
        return tuple(words)

    def refund(self, key: bytes, cost: int) -> Command:
        return ("RL.REFUND", key, "COST", cost)

    def reset(self, key: bytes) -> Command:
        return ("RL.RESET", key)

    def _decide(self, name: str, check: Check) -> Command:
        key, limits, cost = check
        if cost == 1:
            return (name, key, *limits.words)
        return (name, key, *limits.words, "COST", cost)


class Script:
    """The script, which a server without the module runs. Knows only the policies of this process."""

    source: Source = "script"

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def check(self, check: Check) -> Command:
        return self._decide("check", check)

    def peek(self, check: Check) -> Command:
        return self._decide("peek", check)

    def mcheck(self, checks: Sequence[Check]) -> Command:
        cost = checks[0].cost
        terms: list[str] = []
        for check in checks:
            rules, shadow = known_terms(self._policies, check)
            if check.cost != cost or shadow:
                raise OneByOne
            terms += rules.script_words
        return (*self._call(*(check.key for check in checks)), "mcheck", cost, *terms)

    def refund(self, key: bytes, cost: int) -> Command:
        return (*self._call(key), "refund", cost)

    def reset(self, key: bytes) -> Command:
        return (*self._call(key), "reset")

    def _decide(self, name: str, check: Check) -> Command:
        rules, _ = known_terms(self._policies, check)
        return (*self._call(check.key), name, check.cost, *rules.script_words)

    def _call(self, *keys: bytes) -> Command:
        suffix = SCRIPT_SUFFIX.encode()
        return ("EVALSHA", SCRIPT_HASH, len(keys), *(key + suffix for key in keys))


def known_terms(policies: Policies, check: Check) -> tuple[Limits, bool]:
    """The rules that decide `check` without the server's policies, and whether they only look on.

    Raises:
        NoPolicyError: it is under a policy that this process does not know.
    """
    try:
        return policies.terms(check.limits)
    except LookupError:
        raise NoPolicyError(f"no policy named '{check.limits}' is known in this process") from None


def read_decision(reply: Reply, source: Source) -> Decision:
    """A decision, or the error that the reply is."""
    if isinstance(reply, Exception):
        raise refused(reply)
    return Decision.read(reply, source)


def read_decisions(reply: Reply, source: Source) -> list[Decision]:
    """A decision for each key, or the error that the reply is."""
    if isinstance(reply, list):
        return [Decision.read(one, source) for one in reply]
    return [read_decision(reply, source)]


def read_count(reply: Reply) -> int:
    """A number, or the error that the reply is."""
    if isinstance(reply, Exception):
        raise refused(reply)
    if type(reply) is not int:
        raise ResponseError(f"a number was expected, not {reply!r}")
    return reply


def refused(error: Exception) -> Exception:
    """What a caller is told of a command that the server refused."""
    text = str(error)
    if text.startswith("NOPOLICY"):
        return NoPolicyError(text.removeprefix("NOPOLICY "))
    return error


def is_unknown_command(reply: Reply) -> bool:
    """Whether the server does not have the command, and so not the module."""
    return isinstance(reply, ResponseError) and str(reply).lower().removeprefix("err ").startswith("unknown command")


def lacks_script(reply: Reply) -> bool:
    """Whether the server has to be given the script."""
    return isinstance(reply, NoScriptError)


def needs_module(what: str) -> NeedsModuleError:
    """The error of what the script cannot do."""
    return NeedsModuleError(f"{what} needs the Ratelog module, which this server does not have")
