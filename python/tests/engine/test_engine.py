"""The engine with given replies, for situations that are hard to reproduce with a server."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import BusyLoadingError, NoPermissionError, NoScriptError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as Late

from ratelog import Check, Limits, NoPolicyError
from ratelog.engine import backend
from ratelog.engine.classify import LimiterClosedError
from ratelog.engine.engine import Engine
from ratelog.events import CheckCompleted, EventPublisher, ServerRecovered, ServerUnavailable
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


class Run:
    """Runs an operation with given replies. A reply that is not a list is thrown into the operation."""

    def __init__(self, operation: Operation[Any], *replies: Any) -> None:
        self.sent: list[Sequence[Command]] = []
        try:
            self.sent.append(next(operation))
            for reply in replies:
                self.sent.append(operation.send(reply) if isinstance(reply, list) else operation.throw(reply))
        except StopIteration as stop:
            self.outcome = stop.value

    def names(self) -> list[list[object]]:
        return [[command[0] for command in commands] for commands in self.sent]


def create_engine(probed: object = 0, **settings: Any) -> Engine:
    """An engine whose server gave this reply to the first probe."""
    engine = Engine(load(**settings), EventPublisher(), remote=True, cluster=False)
    replies = [[probed], [0]] if probed is UNKNOWN else [[probed]]
    assert Run(engine.probe(), *replies).outcome is True
    return engine


def test_a_server_without_the_module_is_available_if_it_accepts_writes() -> None:
    engine = Engine(load(), EventPublisher(), remote=True, cluster=False)
    for reply, is_available in [(ReadOnlyError("READONLY"), False), (NoPermissionError("NOPERM"), True), (0, True)]:
        run = Run(engine.probe(), [UNKNOWN], [reply])
        assert run.names() == [["RL.REFUND"], ["UNLINK"]]
        assert run.outcome is is_available


def test_a_denial_holds_if_the_refund_fails() -> None:
    engine = create_engine()
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    run = Run(engine.check(checks, use_deny_cache=False), [ALLOWED, DENIED], Lost("gone"))
    assert run.names() == [["RL.CHECK", "RL.CHECK"], ["RL.REFUND"]]
    # The decision does not count the unit that was not refunded.
    assert [(d.allowed, d.remaining) for d in run.outcome] == [(True, 2), (False, 0)]
    assert not engine.breaker.is_closed


def test_a_shadow_policy_of_the_script_neither_denies_nor_is_refunded() -> None:
    engine = create_engine(UNKNOWN)
    engine.policies.insert("gold", [(2, 60_000)], True)
    checks = [Check(b"a", Limits("2/minute")), Check(b"b", GOLD)]
    run = Run(engine.check(checks, use_deny_cache=False), [ALLOWED, DENIED])
    assert run.names() == [["EVALSHA", "EVALSHA"]]
    assert [d.allowed for d in run.outcome] == [True, True]
    checks.append(Check(b"c", Limits("2/minute")))
    run = Run(engine.check(checks, use_deny_cache=False), [ALLOWED, DENIED, DENIED], [[1]])
    assert [len(commands) for commands in run.sent] == [3, 1]
    assert b"a" in bytes(run.sent[1][0][3])  # type: ignore[arg-type]
    assert [d.allowed for d in run.outcome] == [True, True, False]


def test_a_shadow_policy_of_the_script_prevents_nothing_if_its_check_is_rejected() -> None:
    engine = create_engine(UNKNOWN)
    engine.policies.insert("gold", [(7, 60_000)], True)
    checks = [Check(b"a", Limits("2/minute")), Check(b"b", GOLD)]
    wrong = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
    run = Run(engine.check(checks, use_deny_cache=False), [ALLOWED, wrong])
    assert run.names() == [["EVALSHA", "EVALSHA"]]
    assert [(d.allowed, d.limit, d.source) for d in run.outcome] == [(True, 2, "script"), (True, 7, "fallback")]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        Run(engine.check(checks, use_deny_cache=False), [wrong, DENIED])


def test_nothing_is_refunded_if_nothing_was_recorded() -> None:
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    run = Run(create_engine().check(checks, use_deny_cache=False), [DENIED, DENIED])
    assert run.names() == [["RL.CHECK", "RL.CHECK"]]
    assert [d.allowed for d in run.outcome] == [False, False]


def test_a_reset_is_made_locally_if_the_connection_is_lost() -> None:
    engine = create_engine()
    assert Run(engine.reset(b"k"), Lost("gone")).outcome == 0
    assert Run(engine.reset(b"k")).sent == []


def test_only_consecutive_failures_open_the_breaker() -> None:
    engine = create_engine(failure_threshold=2)
    check = [Check(b"k", Limits("2/minute"))]
    for _ in range(3):
        assert Run(engine.check(check), Late("late")).outcome[0].source == "local"
        assert Run(engine.check(check), [ALLOWED]).outcome[0].source == "module"
    for _ in range(2):
        Run(engine.check(check), Late("late"))
    assert not engine.breaker.is_closed


def test_an_error_that_needs_no_server_is_no_answer_of_it() -> None:
    engine = create_engine(UNKNOWN, failure_threshold=2)
    for _ in range(2):
        assert engine.breaker.is_closed
        with pytest.raises(NoPolicyError):
            Run(engine.check([Check(b"k", GOLD)]))
        Run(engine.check([Check(b"k", Limits("2/minute"))]), Late("late"))
    assert not engine.breaker.is_closed


def test_only_commands_that_lacked_the_script_are_sent_again() -> None:
    engine = create_engine(UNKNOWN)
    checks = [Check(b"a", Limits("2/minute")), Check(b"b", Limits("2/minute"), 2)]
    run = Run(engine.check(checks, use_deny_cache=False), [ALLOWED, NoScriptError("none")], ["hash"], [ALLOWED])
    assert run.names() == [["EVALSHA", "EVALSHA"], ["SCRIPT"], ["EVALSHA"]]
    assert run.sent[2] == run.sent[0][1:]


def test_a_policy_deleted_during_its_fetch_is_unknown() -> None:
    engine = create_engine()
    assert Run(engine.check([Check(b"k", GOLD)]), [ALLOWED, None]).names() == [["RL.CHECK", "RL.POLICY"]]
    (decision,) = Run(engine.check([Check(b"k", GOLD)]), Lost("gone")).outcome
    assert (decision.allowed, decision.source) == (True, "fallback")


def test_an_error_of_a_policy_query_does_not_affect_the_check() -> None:
    engine = create_engine()
    run = Run(engine.check([Check(b"k", GOLD)]), [ALLOWED, ResponseError("NOPERM")])
    assert run.outcome[0].allowed


def test_an_override_raises_if_the_connection_is_lost() -> None:
    engine = create_engine(failure_threshold=1)
    with pytest.raises(Exception, match="the server is unavailable: gone"):
        Run(engine.execute_module_command("an override", ("RL.OVERRIDE", "GET", b"k")), Lost("gone"))
    assert not engine.breaker.is_closed


def test_cached_denials_are_invalidated_when_the_server_becomes_unavailable() -> None:
    engine = create_engine(deny_cache=9)
    check = [Check(b"k", Limits("2/minute"))]
    assert Run(engine.check(check), [DENIED]).outcome[0].source == "module"
    assert [d.source for d in local_result(engine, check)] == ["deny-cache"]
    Run(engine.check([Check(b"other", Limits("2/minute"))]), Lost("gone"))
    assert [d.source for d in local_result(engine, check)] == ["local"]


def local_result(engine: Engine, checks: list[Check]) -> Any:
    """The result of a check that sends no command."""
    run = Run(engine.check(checks))
    assert run.sent == []
    return run.outcome


def test_an_outage_and_its_end_are_published_once() -> None:
    published: list[Event] = []
    engine = Engine(load(failure_threshold=2), EventPublisher([published.append]), remote=True, cluster=False)
    check = [Check(b"k", Limits("2/minute"))]
    assert Run(engine.probe(), [0]).outcome is True
    # One failure is not an outage, so the next probe is not a recovery.
    Run(engine.check(check), Late("late"))
    assert Run(engine.probe(), [0]).outcome is True
    assert published == []
    # A probe may be the first to detect an outage.
    assert [Run(engine.probe(), Lost("gone")).outcome for _ in range(2)] == [False, False]
    assert [type(event) for event in published] == [ServerUnavailable]
    assert (engine.breaker.state, engine.breaker.opened) == ("open", 1)
    assert Run(engine.probe(), [0]).outcome is True
    Run(engine.check(check), Lost("gone"))
    Run(engine.probe(), [0])
    assert [type(event) for event in published] == [ServerUnavailable, ServerRecovered] * 2


def test_a_probe_of_an_available_server_does_not_open_the_breaker() -> None:
    engine = create_engine()
    operation = engine.probe()
    next(operation)
    assert engine.breaker.is_closed
    assert Run(engine.check([Check(b"k", Limits("2/minute"))]), [ALLOWED]).outcome[0].source == "module"


def test_a_probe_cancelled_by_close_is_not_a_failure() -> None:
    engine = create_engine()
    assert Run(engine.probe(), LimiterClosedError("closed")).outcome is False
    assert engine.breaker.last_error is None


def test_any_exception_of_a_probe_is_a_failure() -> None:
    engine = create_engine()
    assert Run(engine.probe(), RuntimeError("unexpected")).outcome is False
    assert engine.breaker.last_error == "unexpected"


def test_a_denial_caused_by_refunded_units_is_invalidated() -> None:
    engine = create_engine(deny_cache=9)
    checks = [Check(b"a", Limits("2/minute; 9/hour")), Check(b"b", Limits("2/minute; 9/hour"))]
    operation = engine.check(checks, use_deny_cache=False)
    next(operation)
    operation.send([ALLOWED, DENIED])
    # Another check is denied because of units that are about to be refunded.
    other = [checks[0]]
    Run(engine.check(other), [DENIED])
    with pytest.raises(StopIteration):
        operation.send([1])
    assert Run(engine.check(other), [ALLOWED]).outcome[0].allowed


def test_a_server_without_the_module_is_probed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(UNKNOWN)
    check = [Check(b"k", Limits("2/minute"))]
    assert Run(engine.check(check), [ALLOWED]).names() == [["EVALSHA"]]
    monkeypatch.setattr(backend, "monotonic", lambda: monotonic() + backend.MODULE_PROBE_INTERVAL)
    assert Run(engine.check(check), [ALLOWED, UNKNOWN]).names() == [["EVALSHA", "RL.REFUND"]]
    assert Run(engine.check(check), [ALLOWED]).names() == [["EVALSHA"]]
    monkeypatch.setattr(backend, "monotonic", lambda: monotonic() + 2 * backend.MODULE_PROBE_INTERVAL)
    # The error of a loading server does not say whether it has the module.
    Run(engine.check(check), [ALLOWED, BusyLoadingError("LOADING")])
    assert not engine.backend.has_module
    monkeypatch.setattr(backend, "monotonic", lambda: monotonic() + 3 * backend.MODULE_PROBE_INTERVAL)
    Run(engine.check(check), [ALLOWED, 0])
    assert Run(engine.check(check), [ALLOWED]).names() == [["RL.CHECK"]]


def test_cached_denials_end_when_the_module_replaces_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(UNKNOWN, deny_cache=9)
    check = [Check(b"k", Limits("2/minute"))]
    assert Run(engine.check(check), [DENIED]).outcome[0].source == "script"
    assert Run(engine.check(check)).outcome[0].source == "deny-cache"
    monkeypatch.setattr(backend, "monotonic", lambda: monotonic() + backend.MODULE_PROBE_INTERVAL)
    Run(engine.check([Check(b"other", Limits("2/minute"))]), [ALLOWED, 0])
    assert Run(engine.check(check), [ALLOWED]).names() == [["RL.CHECK"]]


def test_a_hook_receives_the_errors_because_of_which_the_fallback_decided() -> None:
    published: list[Event] = []
    engine = Engine(load(failure_threshold=9), EventPublisher([published.append]), remote=True, cluster=False)
    engine.breaker.record_recovery()
    gold, rule = Check(b"a", GOLD), Check(b"b", Limits("2/minute"))
    unknown = ResponseError("NOPOLICY no policy named 'gold'")

    def errors(checks: list[Check], *replies: Any) -> dict[bytes, str]:
        Run(engine.decide(checks, lenient=True), *replies)
        event = published[-1]
        assert isinstance(event, CheckCompleted)
        return {check.key: error for check, error in event.errors.items()}

    assert errors([rule], [ALLOWED]) == {}
    assert errors([rule], Late("late")) == {b"b": "redis.exceptions.TimeoutError"}
    assert errors([gold], unknown) == {b"a": "ratelog.errors.NoPolicyError"}
    # Only one of two checks is rejected; the server decides the other.
    assert errors([gold, rule], unknown, [unknown, ALLOWED], [ALLOWED]) == {b"a": "ratelog.errors.NoPolicyError"}
    # The server is lost while the client asks it which one it rejects.
    assert errors([gold, rule], unknown, Lost("gone")) == dict.fromkeys(
        (b"a", b"b"), "redis.exceptions.ConnectionError"
    )
    assert errors([rule]) == {b"b": "circuit_open"}
    engine.enabled = False
    assert errors([rule]) == {}
