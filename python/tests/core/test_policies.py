from __future__ import annotations

import pytest

from ratelog._core import Breaker, Limits, Policies


def closed() -> Breaker:
    breaker = Breaker(3)
    breaker.record_recovery()
    return breaker


def test_a_policy_is_fetched_once_and_a_configured_one_never() -> None:
    policies = Policies({"configured": Limits("1/hour")})
    assert not policies.should_fetch("configured")
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
    limits, shadow = Policies({"configured": limits}).resolve(Limits.of_policy("configured"))
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
