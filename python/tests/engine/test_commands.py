"""The commands of both dialects, and the parsing of replies."""

from __future__ import annotations

import pytest
from redis.exceptions import NoScriptError, ResponseError

from ratelog import Check, Limits, NoPolicyError
from ratelog._core import SCRIPT_SUFFIX, Policies
from ratelog.check import MAX_COST
from ratelog.engine.commands import (
    SCRIPT_HASH,
    CannotCombineError,
    ModuleDialect,
    ScriptDialect,
    is_missing_script,
    is_unknown_command,
    parse_count,
    parse_decision,
    parse_decisions,
)

A, B = Check(b"a", Limits("2/minute")), Check(b"b", Limits("9/hour"))
ALLOWED = [1, 2, 1, 0, 60_000, 60_000]
STORED_A = b"a" + SCRIPT_SUFFIX.encode()


def test_the_module_receives_a_cost_only_if_it_is_not_one() -> None:
    dialect = ModuleDialect()
    assert dialect.check(A) == ("RL.CHECK", b"a", *A.limits.args)
    assert dialect.peek(A._replace(cost=3)) == ("RL.PEEK", b"a", *A.limits.args, "COST", 3)
    assert dialect.mcheck([A, B]) == ("RL.MCHECK", 1, b"a", *A.limits.args, b"b", *B.limits.args)
    assert dialect.refund(b"a", 2) == ("RL.REFUND", b"a", "COST", 2)
    assert dialect.reset(b"a") == ("RL.RESET", b"a")


def test_the_script_receives_its_own_keys() -> None:
    dialect = ScriptDialect(Policies())
    call = ("EVALSHA", SCRIPT_HASH, 1, STORED_A)
    assert dialect.check(A) == (*call, "check", 1, *A.limits.script_args)
    assert dialect.peek(A) == (*call, "peek", 1, *A.limits.script_args)
    assert dialect.refund(b"a", 2) == (*call, "refund", 2)
    assert dialect.reset(b"a") == (*call, "reset")


@pytest.mark.parametrize(
    "checks",
    [
        [A, B._replace(cost=2)],
        [A, Check(b"b", Limits("2/minute; 9/hour"))],
        [A._replace(cost=0), B._replace(cost=0)],
        [A._replace(cost=MAX_COST + 1), B._replace(cost=MAX_COST + 1)],
    ],
)
def test_checks_that_one_module_command_cannot_express_are_not_combined(checks: list[Check]) -> None:
    with pytest.raises(CannotCombineError):
        ModuleDialect().mcheck(checks)


def test_the_script_does_not_combine_costs_or_shadow_policies() -> None:
    policies = Policies()
    policies.insert("gold", [(2, 60_000)], shadow=True)
    for other in (B._replace(cost=2), Check(b"b", Limits.of_policy("gold"))):
        with pytest.raises(CannotCombineError):
            ScriptDialect(policies).mcheck([A, other])


@pytest.mark.parametrize("reply", ["OK", None, True, "many"])
def test_an_invalid_count_raises(reply: object) -> None:
    with pytest.raises(ResponseError, match="expected an integer"):
        parse_count(reply)


@pytest.mark.parametrize("reply", [[1, 2, 3], []])
def test_an_invalid_decision_raises(reply: object) -> None:
    with pytest.raises(ValueError):
        parse_decision(reply, "module", b"key")


def test_an_error_in_place_of_a_reply_is_raised() -> None:
    keys = [b"a", b"b"]
    decisions = parse_decisions([ALLOWED, ALLOWED], "module", keys)
    assert [(decision.key, decision.remaining) for decision in decisions] == [(b"a", 1), (b"b", 1)]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        parse_decisions(ResponseError("WRONGTYPE no"), "module", keys)
    with pytest.raises(ResponseError, match="expected one decision for each of 2 keys, not"):
        parse_decisions([ALLOWED], "module", keys)
    with pytest.raises(NoPolicyError, match=r"^no policy named 'gold'$"):
        parse_decision(ResponseError("NOPOLICY no policy named 'gold'"), "module", b"key")


def test_errors_that_reveal_what_the_server_lacks_are_recognized() -> None:
    assert is_unknown_command(ResponseError("unknown command 'RL.CHECK', with args beginning with:"))
    assert is_unknown_command(ResponseError("ERR unknown command `RL.CHECK`"))
    assert not is_unknown_command("unknown command")
    assert is_missing_script(NoScriptError("No matching script."))
    assert not is_missing_script(ResponseError("WRONGTYPE"))
