"""The engine with given replies, for situations that are hard to reproduce with a server."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import BusyLoadingError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as Late

from ratelog import Check, Limits
from ratelog.engine import backend
from ratelog.engine.classify import LimiterClosedError
from ratelog.engine.engine import Engine
from ratelog.events import EventPublisher, ServerRecovered, ServerUnavailable
from ratelog.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog.engine.commands import Command
    from ratelog.engine.operation import Operation
    from ratelog.events import Event

ALLOWED = [1, 2, 1, 0, 60_000, 60_000]
DENIED = [0, 2, 0, 9_000, 60_000, 60_000]
UNKNOWN = ResponseError("unknown command 'RL.REFUND'")
GOLD = Limits.of_policy("gold")


class Talk:
    """Runs an operation with given replies. A reply that is not a list is thrown into the operation."""

    def __init__(self, flow: Operation[Any], *replies: Any) -> None:
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
    """An engine whose server gave this reply to the first probe."""
    engine = Engine(load(**settings), EventPublisher(), remote=True, cluster=False)
    assert Talk(engine.probe(), [probed]).outcome is True
    return engine


def test_a_denial_holds_if_the_refund_fails() -> None:
    decider = engine()
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    talk = Talk(decider.check(checks, use_deny_cache=False), [ALLOWED, DENIED], Lost("gone"))
    assert talk.names() == [["RL.CHECK", "RL.CHECK"], ["RL.REFUND"]]
    # The decision does not count the unit that was not refunded.
    assert [(d.allowed, d.remaining) for d in talk.outcome] == [(True, 2), (False, 0)]
    assert not decider.breaker.is_closed


def test_a_shadow_policy_of_the_script_neither_denies_nor_is_refunded() -> None:
    decider = engine(UNKNOWN)
    decider.policies.insert("gold", [(2, 60_000)], True)
    checks = [Check(b"a", Limits("2/minute")), Check(b"b", GOLD)]
    talk = Talk(decider.check(checks, use_deny_cache=False), [ALLOWED, DENIED])
    assert talk.names() == [["EVALSHA", "EVALSHA"]]
    assert [d.allowed for d in talk.outcome] == [True, True]
    checks.append(Check(b"c", Limits("2/minute")))
    talk = Talk(decider.check(checks, use_deny_cache=False), [ALLOWED, DENIED, DENIED], [[1]])
    assert [len(commands) for commands in talk.asked] == [3, 1]
    assert b"a" in bytes(talk.asked[1][0][3])  # type: ignore[arg-type]
    assert [d.allowed for d in talk.outcome] == [True, True, False]


def test_nothing_is_refunded_if_nothing_was_recorded() -> None:
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    talk = Talk(engine().check(checks, use_deny_cache=False), [DENIED, DENIED])
    assert talk.names() == [["RL.CHECK", "RL.CHECK"]]
    assert [d.allowed for d in talk.outcome] == [False, False]


def test_a_reset_is_made_locally_if_the_connection_is_lost() -> None:
    decider = engine()
    assert Talk(decider.reset(b"k"), Lost("gone")).outcome == 0
    assert Talk(decider.reset(b"k")).asked == []


def test_only_consecutive_failures_open_the_breaker() -> None:
    decider = engine(failure_threshold=2)
    check = [Check(b"k", Limits("2/minute"))]
    for _ in range(3):
        assert Talk(decider.check(check), Late("late")).outcome[0].source == "local"
        assert Talk(decider.check(check), [ALLOWED]).outcome[0].source == "module"
    for _ in range(2):
        Talk(decider.check(check), Late("late"))
    assert not decider.breaker.is_closed


def test_only_commands_that_lacked_the_script_are_sent_again() -> None:
    decider = engine(UNKNOWN)
    checks = [Check(b"a", Limits("2/minute")), Check(b"b", Limits("2/minute"), 2)]
    talk = Talk(decider.check(checks, use_deny_cache=False), [ALLOWED, NoScriptError("none")], ["hash"], [ALLOWED])
    assert talk.names() == [["EVALSHA", "EVALSHA"], ["SCRIPT"], ["EVALSHA"]]
    assert talk.asked[2] == talk.asked[0][1:]


def test_a_policy_deleted_during_its_fetch_is_unknown() -> None:
    decider = engine()
    assert Talk(decider.check([Check(b"k", GOLD)]), [ALLOWED, None]).names() == [["RL.CHECK", "RL.POLICY"]]
    (decision,) = Talk(decider.check([Check(b"k", GOLD)]), Lost("gone")).outcome
    assert (decision.allowed, decision.source) == (True, "fallback")


def test_an_error_of_a_policy_query_does_not_affect_the_check() -> None:
    decider = engine()
    talk = Talk(decider.check([Check(b"k", GOLD)]), [ALLOWED, ResponseError("NOPERM")])
    assert talk.outcome[0].allowed


@pytest.mark.parametrize("reply", ["OK", None, True])
def test_an_invalid_count_raises(reply: object) -> None:
    with pytest.raises(ResponseError, match="expected an integer"):
        Talk(engine().refund(b"k", 1), [reply])


def test_an_invalid_decision_raises() -> None:
    with pytest.raises(ValueError):
        Talk(engine().check([Check(b"k", Limits("2/minute"))]), [[1, 2, 3]])


def test_an_override_raises_if_the_connection_is_lost() -> None:
    decider = engine(failure_threshold=1)
    with pytest.raises(Exception, match="the server is unavailable: gone"):
        Talk(decider.execute_module_command("an override", ("RL.OVERRIDE", "GET", b"k")), Lost("gone"))
    assert not decider.breaker.is_closed


def test_cached_denials_are_invalidated_when_the_server_becomes_unavailable() -> None:
    decider = engine(deny_cache=9)
    check = [Check(b"k", Limits("2/minute"))]
    assert Talk(decider.check(check), [DENIED]).outcome[0].source == "module"
    assert [d.source for d in next_outcome(decider, check)] == ["deny-cache"]
    Talk(decider.check([Check(b"other", Limits("2/minute"))]), Lost("gone"))
    assert [d.source for d in next_outcome(decider, check)] == ["local"]


def next_outcome(decider: Engine, checks: list[Check]) -> Any:
    """The result of a check that sends no command."""
    talk = Talk(decider.check(checks))
    assert talk.asked == []
    return talk.outcome


def test_an_outage_and_its_end_are_published_once() -> None:
    told: list[Event] = []
    decider = Engine(load(failure_threshold=2), EventPublisher([told.append]), remote=True, cluster=False)
    check = [Check(b"k", Limits("2/minute"))]
    assert Talk(decider.probe(), [0]).outcome is True
    # One failure is not an outage, so the next probe is not a recovery.
    Talk(decider.check(check), Late("late"))
    assert Talk(decider.probe(), [0]).outcome is True
    assert told == []
    # A probe may be the first to detect an outage.
    assert [Talk(decider.probe(), Lost("gone")).outcome for _ in range(2)] == [False, False]
    assert [type(event) for event in told] == [ServerUnavailable]
    assert (decider.breaker.state, decider.breaker.opened) == ("open", 1)
    assert Talk(decider.probe(), [0]).outcome is True
    Talk(decider.check(check), Lost("gone"))
    Talk(decider.probe(), [0])
    assert [type(event) for event in told] == [ServerUnavailable, ServerRecovered] * 2


def test_a_probe_of_an_available_server_does_not_open_the_breaker() -> None:
    decider = engine()
    flow = decider.probe()
    next(flow)
    assert decider.breaker.is_closed
    assert Talk(decider.check([Check(b"k", Limits("2/minute"))]), [ALLOWED]).outcome[0].source == "module"


def test_a_probe_cancelled_by_close_is_not_a_failure() -> None:
    decider = engine()
    assert Talk(decider.probe(), LimiterClosedError("closed")).outcome is False
    assert decider.breaker.last_error is None


def test_any_exception_of_a_probe_is_a_failure() -> None:
    decider = engine()
    assert Talk(decider.probe(), RuntimeError("what nobody foresaw")).outcome is False
    assert decider.breaker.last_error == "what nobody foresaw"


def test_a_denial_caused_by_refunded_units_is_invalidated() -> None:
    decider = engine(deny_cache=9)
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    flow = decider.check(checks, use_deny_cache=False)
    next(flow)
    flow.send([ALLOWED, DENIED])
    # Another check is denied because of units that are about to be refunded.
    other = [checks[0]]
    Talk(decider.check(other), [DENIED])
    with pytest.raises(StopIteration):
        flow.send([1])
    assert Talk(decider.check(other), [ALLOWED]).outcome[0].allowed


def test_a_server_without_the_module_is_probed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decider = engine(UNKNOWN)
    check = [Check(b"k", Limits("2/minute"))]
    assert Talk(decider.check(check), [ALLOWED]).names() == [["EVALSHA"]]
    monkeypatch.setattr(backend, "monotonic", lambda: monotonic() + backend.MODULE_PROBE_INTERVAL)
    assert Talk(decider.check(check), [ALLOWED, UNKNOWN]).names() == [["EVALSHA", "RL.REFUND"]]
    assert Talk(decider.check(check), [ALLOWED]).names() == [["EVALSHA"]]
    monkeypatch.setattr(backend, "monotonic", lambda: monotonic() + 2 * backend.MODULE_PROBE_INTERVAL)
    # The error of a loading server does not say whether it has the module.
    Talk(decider.check(check), [ALLOWED, BusyLoadingError("LOADING")])
    assert not decider.backend.has_module
    monkeypatch.setattr(backend, "monotonic", lambda: monotonic() + 3 * backend.MODULE_PROBE_INTERVAL)
    Talk(decider.check(check), [ALLOWED, 0])
    assert Talk(decider.check(check), [ALLOWED]).names() == [["RL.CHECK"]]
