from __future__ import annotations

import itertools
import time

import pytest

from ratelog._core import Breaker, Decision, Limits, Policies, ProbeBackoff, failure_kind, fallback_decision


def closed() -> Breaker:
    breaker = Breaker(3)
    breaker.record_recovery()
    return breaker


def test_a_breaker_is_open_until_the_first_recovery() -> None:
    before = time.time()
    breaker = Breaker(3)
    assert (breaker.is_closed, breaker.state, breaker.last_error, breaker.opened) == (False, "open", None, 0)
    assert before - 1 < breaker.since < time.time() + 1
    breaker.begin_probe()
    assert breaker.state == "half-open"
    breaker.record_probe_failure("refused")
    assert (breaker.state, breaker.last_error) == ("open", "refused")
    breaker.record_recovery()
    assert (breaker.is_closed, breaker.state) == (True, "closed")


def test_only_consecutive_failures_open_a_breaker() -> None:
    breaker = closed()
    for _ in range(3):
        assert [breaker.record_failure("late", connection_lost=False) for _ in range(2)] == [False, False]
        breaker.record_success()
    assert [breaker.record_failure("late", connection_lost=False) for _ in range(3)] == [False, False, True]
    assert (breaker.is_closed, breaker.opened, breaker.last_error) == (False, 1, "late")


def test_a_lost_connection_opens_a_breaker_at_once() -> None:
    breaker = closed()
    assert [breaker.record_failure("reset", connection_lost=True) for _ in range(2)] == [True, False]
    assert breaker.opened == 1


def test_an_invalid_threshold_is_rejected() -> None:
    with pytest.raises(ValueError, match="failure_threshold must be from 0 to 4294967295, not -1"):
        Breaker(-1)


def test_probe_intervals_grow_and_never_end() -> None:
    probes = ProbeBackoff(0.1, 2.0)
    assert iter(probes) is probes
    waits = list(itertools.islice(probes, 100))
    assert 0.1 <= waits[0] <= 0.2
    assert 0.2 <= waits[1] <= 0.4
    assert all(2.0 <= wait <= 4.0 for wait in waits[10:])
    assert len(set(waits[10:])) > 1


@pytest.mark.parametrize(("least", "most"), [(-1.0, 1.0), (1.0, float("nan")), (1.0, float("inf"))])
def test_an_invalid_probe_interval_is_rejected(least: float, most: float) -> None:
    with pytest.raises(ValueError, match="must be seconds, 0 or more"):
        ProbeBackoff(least, most)


@pytest.mark.parametrize(
    ("code", "away"),
    [
        ("LOADING", "transient"),
        ("CLUSTERDOWN", "transient"),
        ("READONLY", "connection-lost"),
        ("WRONGTYPE", None),
        ("", None),
    ],
)
def test_error_codes_are_classified(code: str, away: str | None) -> None:
    assert failure_kind(code) == away


def test_a_fallback_decision_reports_the_first_rule() -> None:
    limits = Limits("10/second; 100/hour")
    assert fallback_decision(True, limits, 3, 5_000) == Decision(True, 10, 7, 0, 1_000, 1_000, "fallback")
    assert fallback_decision(False, limits, 3, 5_000) == Decision(False, 10, 0, 5_000, 5_000, 1_000, "fallback")
    assert fallback_decision(True, None, 3, 5_000) == Decision(True, 3, 0, 0, 1_000, 1_000, "fallback")
    with pytest.raises(ValueError, match="expected rules, not the policy 'login'"):
        fallback_decision(True, Limits.of_policy("login"), 1, 5_000)
    with pytest.raises(ValueError, match="retry_after_ms must be from 0 to"):
        fallback_decision(False, None, 1, -1)


def test_a_policy_is_fetched_once_and_a_configured_one_never() -> None:
    policies = Policies({"given": Limits("1/hour")})
    assert not policies.should_fetch("given")
    assert [policies.should_fetch("login") for _ in range(2)] == [True, False]
    with pytest.raises(LookupError) as error:
        policies.resolve(Limits.of_policy("login"))
    assert error.value.args == ("no policy named 'login' is known in this process",)

    policies.insert("login", [(5, 60_000)], shadow=True)
    limits, shadow = policies.resolve(Limits.of_policy("login"))
    assert (limits.rules, shadow) == (((5, 60_000),), True)
    policies.insert("login", None, shadow=False)
    with pytest.raises(LookupError):
        policies.resolve(Limits.of_policy("login"))


def test_rules_resolve_to_themselves() -> None:
    policies, limits = Policies(), Limits("1/hour", names=["hourly"])
    assert policies.resolve(limits) == (limits, False)
    limits, shadow = Policies({"given": limits}).resolve(Limits.of_policy("given"))
    assert (str(limits), shadow) == ("1/hour", False)


def test_an_invalid_policy_is_rejected() -> None:
    with pytest.raises(ValueError, match="a policy's name is 1 to 64 characters"):
        Policies({"a b": Limits("1/hour")})
    with pytest.raises(ValueError, match="expected rules, not the policy 'other'"):
        Policies({"login": Limits.of_policy("other")})
    with pytest.raises(ValueError, match="expected at least one rule"):
        Policies().insert("login", [], shadow=False)
    with pytest.raises(ValueError, match="a policy's name is 1 to 64 characters"):
        Policies().should_fetch("")
