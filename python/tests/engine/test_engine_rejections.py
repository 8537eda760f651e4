"""The engine with given replies: rejected checks, units that are taken back, and the reset of all keys."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from ratelog import Check, Decision, Limits
from ratelog.engine.engine import Engine
from ratelog.engine.reset_all import reset_all
from ratelog.events import EventPublisher
from ratelog.settings import load

from .test_engine_operations import ALLOWED, DENIED, LOST, run_with

NO_POLICY = ResponseError("NOPOLICY no policy named 'gold'")
GOLD = Check(b"gold", Limits.of_policy("gold"))
PLAIN = Check(b"plain", Limits("5/minute"))
PERMISSION = ResponseError("NOPERM User app has no permissions to run the 'rl.check' command")


def create_engine(**options: Any) -> Engine:
    settings = load(url="redis://127.0.0.1:1", policies={"silver": "1/minute"}, **options)
    engine = Engine(settings, EventPublisher(), remote=True, cluster=False)
    engine.breaker.record_recovery()
    # The policy is not fetched again.
    engine.policies.insert("gold", [(1, 60_000)], False)
    return engine


def decide(engine: Engine, checks: list[Check], *answers: Any) -> list[tuple[bool, str]]:
    decisions = run_with(engine.decide(checks, lenient=True), *answers)
    return [(decision.allowed, decision.source) for decision in decisions]


def test_a_rejected_check_is_decided_by_the_last_known_policy() -> None:
    engine = create_engine()
    assert decide(engine, [GOLD], [NO_POLICY]) == [(True, "local")]
    assert decide(engine, [GOLD], [NO_POLICY]) == [(False, "local")]
    assert engine.health().problems == ("the server rejects checks under gold: no policy named 'gold'",)
    assert engine.breaker.is_closed


def test_the_server_decides_the_other_checks() -> None:
    engine = create_engine()
    assert decide(engine, [PLAIN, GOLD], [NO_POLICY], [ALLOWED, NO_POLICY], [ALLOWED]) == [
        (True, "module"),
        (True, "local"),
    ]
    # A denial by the server records nothing in this process, and the reverse.
    engine = create_engine()
    for _ in range(2):
        answers = ([NO_POLICY], [DENIED, NO_POLICY], [DENIED])
        assert decide(engine, [PLAIN, GOLD], *answers) == [(False, "module"), (True, "local")]
    assert decide(engine, [GOLD], [NO_POLICY]) == [(True, "local")]
    peeked: list[str] = []
    operation = engine.decide([PLAIN, GOLD], lenient=True)
    commands: Any = next(operation)
    with pytest.raises(StopIteration) as stop:
        for answer in ([NO_POLICY], [ALLOWED, NO_POLICY], [ALLOWED]):
            peeked = [str(command[0]) for command in commands]
            commands = operation.send(answer)
    assert [decision.allowed for decision in stop.value.value] == [True, False]
    assert peeked == ["RL.PEEK"]


def test_a_rejection_of_the_command_that_records_concerns_all_checks() -> None:
    engine = create_engine()
    answers = ([PERMISSION], [ALLOWED, ALLOWED])
    assert decide(engine, [PLAIN, GOLD], *answers) == [(True, "local"), (True, "local")]
    assert engine.health().problems[0].startswith("the server rejects checks: NOPERM User app")


@pytest.mark.parametrize("fallback", ["local", "deny"])
def test_a_connection_that_is_lost_meanwhile_is_an_outage(fallback: str) -> None:
    engine = create_engine(fallback=fallback)
    source = "local" if fallback == "local" else "fallback"
    assert decide(engine, [PLAIN, GOLD], [NO_POLICY], LOST) == [(fallback == "local", source)] * 2
    assert not engine.breaker.is_closed


def test_other_errors_are_raised() -> None:
    with pytest.raises(RuntimeError):
        run_with(create_engine().decide([PLAIN], lenient=True), RuntimeError("a bug"))
    with pytest.raises(ResponseError, match="NOPERM"):
        run_with(create_engine().decide([PLAIN]), [PERMISSION])


def decision(source: Any, reset_after_ms: int = 60_000) -> Decision:
    return Decision(True, 5, 4, 0, reset_after_ms, 60_000, source)


def test_units_are_taken_back_where_they_were_recorded() -> None:
    engine = create_engine(deny_cache=9)
    local = Check(b"local", Limits("5/minute"), 2)
    engine.local.check(local.key, local.limits, 3)
    decided = [(PLAIN, decision("module")), (local, decision("local")), (GOLD, decision("fallback"))]
    assert run_with(engine.take_back(decided), [1]) is None
    assert engine.local.peek(b"local", local.limits).remaining == 4
    # An override and a shadow policy allow checks that record nothing.
    allowed = [(check, decision(source, 50_000)) for check, source in ((PLAIN, "module"), (local, "local"))]
    assert run_with(engine.take_back([*allowed, (Check(b"plain", PLAIN.limits, 0), decision("module"))])) is None
    assert engine.local.peek(b"local", local.limits).remaining == 4
    # If the server is lost, the units stay for their window.
    assert run_with(engine.take_back([(PLAIN, decision("module"))]), LOST) is None
    assert not engine.breaker.is_closed
    assert run_with(engine.take_back([(PLAIN, decision("module"))])) is None


def test_verification_ends_if_the_connection_is_lost() -> None:
    engine = create_engine()
    assert run_with(engine.find_problems([GOLD.limits], "p"), LOST) == []
    assert run_with(engine.find_problems([GOLD.limits], "p")) == []


def test_a_missing_right_to_write_is_a_problem() -> None:
    found = run_with(create_engine().find_problems([GOLD.limits], "p"), [ALLOWED], [PERMISSION])
    assert found == [f"the server rejects writes to keys with the prefix 'p': {PERMISSION}"]


def test_an_error_of_a_scan_is_raised() -> None:
    engine = create_engine(deny_cache=9)
    with pytest.raises(RedisConnectionError):
        run_with(reset_all(engine, "p"), LOST)
    with pytest.raises(ResponseError, match="NOPERM"):
        run_with(reset_all(engine, "p"), [PERMISSION])
    assert run_with(reset_all(engine, "p"), [[b"7", [b"p:1"]]], [1], [[b"0", []]]) == 1


def test_a_missing_right_to_take_back_units_is_a_problem() -> None:
    engine = create_engine()
    assert run_with(engine.take_back([(PLAIN, decision("module"))]), [PERMISSION]) is None
    assert engine.health().problems == (f"the server rejects to take back units: {PERMISSION}",)


def test_a_disabled_limiter_uses_no_cached_denial() -> None:
    engine = create_engine(deny_cache=9)
    assert [one.allowed for one in run_with(engine.decide([PLAIN]), [DENIED])] == [False]
    assert [one.source for one in run_with(engine.decide([PLAIN]))] == ["deny-cache"]
    engine.enabled = False
    assert [one.allowed for one in run_with(engine.decide([PLAIN]))] == [True]


def test_the_rules_of_a_policy_that_the_server_has_lost_are_kept() -> None:
    engine = create_engine()
    # The policy is fetched again.
    engine.policies.fetch_failed("gold")
    run_with(engine.decide([GOLD]), [ALLOWED, None])
    assert engine.policies.resolve(GOLD.limits)[0].rules == ((1, 60_000),)
