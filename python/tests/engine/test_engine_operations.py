"""The engine with given replies: operations that rarely fail on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from ratelog import Check, Limits, NoPolicyError, UnavailableError
from ratelog.engine.engine import Engine
from ratelog.events import EventPublisher
from ratelog.settings import load

if TYPE_CHECKING:
    from ratelog.engine.operation import Operation

LOST = RedisConnectionError("the connection is gone")
ALLOWED = [1, 5, 4, 0, 60000, 60000]
DENIED = [0, 5, 0, 900, 60000, 60000]


def create_engine(**options: Any) -> Engine:
    engine = Engine(load(url="redis://127.0.0.1:1", **options), EventPublisher(), remote=True, cluster=False)
    engine.breaker.record_recovery()
    return engine


def run_with(operation: Operation[Any], *answers: Any) -> Any:
    """Runs an operation. Each answer is a list of replies, or an error in their place."""
    left = list(answers)
    try:
        next(operation)
        while True:
            answer = left.pop(0)
            if isinstance(answer, Exception):
                operation.throw(answer)
            else:
                operation.send(answer)
    except StopIteration as stop:
        assert not left, "there were unused answers"
        return stop.value


def checks(*limits: str, costs: tuple[int, ...] = (1, 2, 3)) -> list[Check]:
    return [Check(b"k%d" % place, Limits(rules), costs[place]) for place, rules in enumerate(limits)]


def test_an_error_of_an_override_is_raised() -> None:
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        run_with(
            create_engine().execute_module_command("an override", ("RL.OVERRIDE", "GET", b"k")),
            [ResponseError("WRONGTYPE no")],
        )


def test_a_refund_falls_back_if_the_connection_is_lost() -> None:
    assert run_with(create_engine().refund(b"k", 1), LOST) == 0
    with pytest.raises(UnavailableError):
        run_with(create_engine(fallback="deny").refund(b"k", 1), LOST)
    with pytest.raises(ResponseError):
        run_with(create_engine().refund(b"k", 1), ResponseError("ERR no"))


def test_cached_denials_are_invalidated_with_a_lost_connection() -> None:
    engine = create_engine(deny_cache=10)
    check = checks("5/minute")
    assert run_with(engine.check(check), [DENIED])[0].source == "module"
    assert run_with(engine.check(check, record=False), LOST)[0].source == "local"
    engine.breaker.record_recovery()
    assert run_with(engine.check(check), [ALLOWED])[0].allowed


def test_nothing_is_refunded_if_every_key_is_denied() -> None:
    decisions = run_with(create_engine().check(checks("5/minute", "5/minute")), [DENIED, DENIED])
    assert [decision.allowed for decision in decisions] == [False, False]


def test_decisions_hold_if_the_connection_is_lost_before_the_refund() -> None:
    engine = create_engine()
    decisions = run_with(engine.check(checks("5/minute", "5/minute")), [ALLOWED, DENIED], LOST)
    assert [(decision.allowed, decision.remaining) for decision in decisions] == [(True, 5), (False, 0)]
    assert not engine.breaker.is_closed


def test_decisions_hold_if_the_refund_is_rejected() -> None:
    decisions = run_with(
        create_engine().check(checks("5/minute", "5/minute")), [ALLOWED, DENIED], ResponseError("ERR no")
    )
    assert [decision.allowed for decision in decisions] == [True, False]


def test_several_costs_are_all_or_none_locally() -> None:
    engine = create_engine()
    rules = checks("9/minute", "9/minute", "9/minute")
    assert all(run_with(engine.check(rules), LOST))
    assert [decision.remaining for decision in run_with(engine.check(rules))] == [7, 5, 3]
    decisions = run_with(engine.check([*rules, Check(b"k2", Limits("9/minute"), 9)]))
    assert [bool(decision) for decision in decisions] == [True, True, True, False]
    assert [decision.remaining for decision in run_with(engine.check(rules, record=False))] == [7, 5, 3]


def test_the_script_checks_a_shadow_policy_separately_and_allows_it() -> None:
    engine = create_engine(backend="script")
    engine.policies.insert("try", [(5, 60000)], True)
    both = [Check(b"a", Limits.of_policy("try")), Check(b"b", Limits("5/minute"))]
    assert all(run_with(engine.check(both), [DENIED, ALLOWED]))


def test_a_policy_unknown_to_the_server_is_not_stored() -> None:
    engine = create_engine()
    check = [Check(b"k", Limits.of_policy("gone"))]
    with pytest.raises(NoPolicyError):
        run_with(engine.check(check), [ResponseError("NOPOLICY no policy named 'gone'"), None])
    other = [Check(b"k", Limits.of_policy("other"))]
    assert run_with(engine.check(other), [ALLOWED, ResponseError("NOPERM no")])
    assert run_with(engine.check([Check(b"k", Limits.of_policy("late"))]), [ALLOWED, None])
    engine.record_failure(LOST)
    assert run_with(engine.check(other))[0].source == "fallback"
