"""Decisions without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratelog import Check, Limits, LocalLimiter
from ratelog._core import Policies
from ratelog.check import MAX_COST
from ratelog.engine import fallback
from ratelog.engine.fallback import Fallback

if TYPE_CHECKING:
    import pytest

    from ratelog.engine.fallback import FallbackMode

HOURLY = Limits("3/hour")


def create_fallback(mode: FallbackMode = "local") -> Fallback:
    return Fallback(LocalLimiter(), Policies(), mode, 1000)


def test_checks_with_different_costs_are_all_or_none() -> None:
    decider = create_fallback()
    checks = [Check(b"a", HOURLY, 1), Check(b"b", HOURLY, 2)]
    assert [(d.allowed, d.remaining) for d in decider.check_locally(checks, record=True)] == [(True, 2), (True, 1)]
    assert [(d.allowed, d.remaining) for d in decider.check_locally(checks, record=True)] == [(True, 2), (False, 1)]
    assert [(d.allowed, d.remaining) for d in decider.check_locally(checks, record=False)] == [(True, 2), (False, 1)]


def test_a_shadow_policy_records_only_if_the_others_pass() -> None:
    policies = Policies()
    policies.insert("gold", [(1, 3_600_000)], True)
    decider = Fallback(LocalLimiter(), policies, "local", 1000)
    shadow = Check(b"s", Limits.of_policy("gold"))
    denied = [Check(b"a", Limits("1/hour"), 2), shadow]
    assert [d.allowed for d in decider.check_locally(denied, record=True)] == [False, True]
    assert decider.local.peek(b"s", Limits("1/hour")).remaining == 1
    assert [d.allowed for d in decider.check_locally([Check(b"a", HOURLY), shadow], record=True)] == [True, True]
    assert decider.local.peek(b"s", Limits("1/hour")).remaining == 0
    assert [d.allowed for d in decider.check_locally([shadow, shadow], record=True)] == [True, True]


def test_every_decision_has_its_key() -> None:
    unknown = Limits.of_policy("unknown")
    for mode in ("local", "allow", "deny"):
        decider = create_fallback(mode)
        for checks in (
            [Check(b"a", HOURLY)],
            [Check(b"a", HOURLY, MAX_COST + 1), Check(b"b", unknown)],
            [Check(b"a", HOURLY), Check(b"b", HOURLY, 2), Check(b"c", unknown)],
        ):
            for record in (True, False):
                keys = [decision.key for decision in decider.decide(checks, record)]
                assert keys == [check.key for check in checks]
    assert [decision.key for decision in create_fallback().allow([Check(b"a", unknown)])] == [b"a"]


def warned_policies(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelname for record in caplog.records} <= {"WARNING"}
    return [record.__dict__["ratelog"]["policy"] for record in caplog.records]


def test_an_unknown_policy_is_allowed_and_logged_once_per_name(caplog: pytest.LogCaptureFixture) -> None:
    decider = create_fallback()
    for _ in range(3):
        for name in ("gold", "silver"):
            (decision,) = decider.decide([Check(b"k", Limits.of_policy(name))], record=True)
            assert (decision.allowed, decision.source) == (True, "fallback")
    assert warned_policies(caplog) == ["gold", "silver"]
    assert caplog.records[0].getMessage() == "unknown_policy policy='gold' decision='allow'"


def test_an_unknown_policy_does_not_lift_the_limits_of_other_keys() -> None:
    decider = create_fallback()
    checks = [Check(b"k", Limits.of_policy("gold")), Check(b"l", HOURLY)]
    decisions = [decider.decide(checks, record=True) for _ in range(4)]
    assert [[d.allowed for d in both] for both in decisions] == [[True, True]] * 3 + [[True, False]]
    assert [[d.source for d in both] for both in decisions] == [["fallback", "local"]] * 4


def test_a_fixed_fallback_needs_no_policy(caplog: pytest.LogCaptureFixture) -> None:
    for mode, allowed in (("allow", True), ("deny", False)):
        (decision,) = create_fallback(mode).decide([Check(b"k", Limits.of_policy("gold"))], record=True)  # type: ignore[arg-type]
        assert (decision.allowed, decision.source) == (allowed, "fallback")
    assert warned_policies(caplog) == []


def test_the_number_of_logged_policies_is_bounded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback, "MAX_WARNED_POLICIES", 2)
    decider = create_fallback()
    for name in ("a", "b", "c", "a"):
        assert decider.decide([Check(b"k", Limits.of_policy(name))], record=True)[0].allowed
    assert warned_policies(caplog) == ["a", "b"]
