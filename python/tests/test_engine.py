"""Decisions without I/O, for replies that no server can be made to give at the right moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as Late

from ratelog import Check, Limits
from ratelog.engine import Engine
from ratelog.events import Announcer
from ratelog.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog.commands import Command
    from ratelog.server import Flow

ALLOWED = [1, 2, 1, 0, 60_000, 60_000]
DENIED = [0, 2, 0, 9_000, 60_000, 60_000]
UNKNOWN = ResponseError("unknown command 'RL.REFUND'")
GOLD = Limits.of_policy("gold")


class Talk:
    """A flow and what it asks; replies are given, or raised where they are no list."""

    def __init__(self, flow: Flow[Any], *replies: Any) -> None:
        self.asked: list[Sequence[Command]] = []
        try:
            self.asked.append(next(flow))
            for reply in replies:
                self.asked.append(flow.send(reply) if isinstance(reply, list) else flow.throw(reply))
        except StopIteration as stop:
            self.outcome = stop.value

    def names(self) -> list[list[object]]:
        return [[command[0] for command in commands] for commands in self.asked]


def engine(probed: object = 0, **settings: Any) -> Engine:
    """An engine whose server was there, and said this to the first probe."""
    engine = Engine(load(**settings), Announcer(), remote=True, cluster=False)
    assert Talk(engine.probe(), [probed]).outcome is True
    return engine


def test_a_denial_stands_though_what_was_recorded_could_not_be_taken_back() -> None:
    decider = engine()
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    talk = Talk(decider.check(checks, recall=False), [ALLOWED, DENIED], Lost("gone"))
    assert talk.names() == [["RL.CHECK", "RL.CHECK"], ["RL.REFUND"]]
    # The unit that stays is not told to be there.
    assert [(d.allowed, d.remaining) for d in talk.outcome] == [(True, 2), (False, 0)]
    assert not decider.breaker.is_closed


def test_a_shadow_policy_of_the_script_neither_denies_nor_is_taken_back() -> None:
    decider = engine(UNKNOWN)
    decider.policies.learn("gold", [(2, 60_000)], True)
    checks = [Check(b"a", Limits("2/minute")), Check(b"b", GOLD)]
    talk = Talk(decider.check(checks, recall=False), [ALLOWED, DENIED])
    assert talk.names() == [["EVALSHA", "EVALSHA"]]
    assert [d.allowed for d in talk.outcome] == [True, True]
    checks.append(Check(b"c", Limits("2/minute")))
    talk = Talk(decider.check(checks, recall=False), [ALLOWED, DENIED, DENIED], [[1]])
    assert [len(commands) for commands in talk.asked] == [3, 1]
    assert b"a" in bytes(talk.asked[1][0][3])  # type: ignore[arg-type]
    assert [d.allowed for d in talk.outcome] == [True, True, False]


def test_where_nothing_was_recorded_nothing_is_taken_back() -> None:
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    talk = Talk(engine().check(checks, recall=False), [DENIED, DENIED])
    assert talk.names() == [["RL.CHECK", "RL.CHECK"]]
    assert [d.allowed for d in talk.outcome] == [False, False]


def test_a_change_that_is_lost_is_made_here() -> None:
    decider = engine()
    assert Talk(decider.reset(b"k"), Lost("gone")).outcome == 0
    assert Talk(decider.reset(b"k")).asked == []


def test_only_failures_in_a_row_open_the_breaker() -> None:
    decider = engine(failures=2)
    check = [Check(b"k", Limits("2/minute"))]
    for _ in range(3):
        assert Talk(decider.check(check), Late("late")).outcome[0].source == "local"
        assert Talk(decider.check(check), [ALLOWED]).outcome[0].source == "module"
    for _ in range(2):
        Talk(decider.check(check), Late("late"))
    assert not decider.breaker.is_closed


def test_only_what_lacked_the_script_is_sent_again() -> None:
    decider = engine(UNKNOWN)
    checks = [Check(b"a", Limits("2/minute")), Check(b"b", Limits("2/minute"), 2)]
    talk = Talk(decider.check(checks, recall=False), [ALLOWED, NoScriptError("none")], ["hash"], [ALLOWED])
    assert talk.names() == [["EVALSHA", "EVALSHA"], ["SCRIPT"], ["EVALSHA"]]
    assert talk.asked[2] == talk.asked[0][1:]


def test_a_policy_that_went_while_it_was_asked_for_is_known_to_be_none() -> None:
    decider = engine()
    assert Talk(decider.check([Check(b"k", GOLD)]), [ALLOWED, None]).names() == [["RL.CHECK", "RL.POLICY"]]
    (decision,) = Talk(decider.check([Check(b"k", GOLD)]), Lost("gone")).outcome
    assert (decision.allowed, decision.source) == (True, "fallback")


def test_what_a_policy_is_may_stay_unknown() -> None:
    decider = engine()
    talk = Talk(decider.check([Check(b"k", GOLD)]), [ALLOWED, ResponseError("NOPERM")])
    assert talk.outcome[0].allowed


@pytest.mark.parametrize("reply", ["OK", None, True])
def test_a_count_that_is_none_is_an_error(reply: object) -> None:
    with pytest.raises(ResponseError, match="a number was expected"):
        Talk(engine().refund(b"k", 1), [reply])


def test_a_reply_that_is_no_decision_is_an_error() -> None:
    with pytest.raises(ValueError):
        Talk(engine().check([Check(b"k", Limits("2/minute"))]), [[1, 2, 3]])


def test_a_manager_hears_of_a_server_that_went_away() -> None:
    decider = engine(failures=1)
    with pytest.raises(Exception, match="the server is away: gone"):
        Talk(decider.manage("an override", ("RL.OVERRIDE", "GET", b"k")), Lost("gone"))
    assert not decider.breaker.is_closed


def test_a_server_that_goes_takes_what_was_remembered_along() -> None:
    decider = engine(deny_cache=9)
    check = [Check(b"k", Limits("2/minute"))]
    assert Talk(decider.check(check), [DENIED]).outcome[0].source == "module"
    assert [d.source for d in next_outcome(decider, check)] == ["deny-cache"]
    Talk(decider.check([Check(b"other", Limits("2/minute"))]), Lost("gone"))
    assert [d.source for d in next_outcome(decider, check)] == ["local"]


def next_outcome(decider: Engine, checks: list[Check]) -> Any:
    """Of a check that asks nobody."""
    talk = Talk(decider.check(checks))
    assert talk.asked == []
    return talk.outcome
