"""Several checks without a server: all of them or none."""

from __future__ import annotations

from ratelog import Check, Limits, LocalLimiter
from ratelog._core import Policies
from ratelog.engine.fallback import Fallback

HOURLY = Limits("3/hour")


def alone() -> Fallback:
    return Fallback(LocalLimiter(), Policies(), "local", 1000)


def test_checks_with_different_costs_are_all_or_none() -> None:
    decider = alone()
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
