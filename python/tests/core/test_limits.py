from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import Limits

YEAR_MS = 366 * 86_400_000

rules = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 10 * YEAR_MS)), min_size=1, max_size=16)


@given(rules)
def test_limits_survive_a_round_trip_through_text(pairs: list[tuple[int, int]]) -> None:
    limits = Limits.of_rules(pairs)
    assert limits.rules == tuple(pairs)
    assert Limits(str(limits)) == limits
    assert hash(Limits(str(limits))) == hash(limits)


def test_args_are_those_of_the_commands() -> None:
    limits = Limits("10/second; 1000/hour")
    assert limits.policy is None
    assert limits.args == ("10", "1000ms", "1000", "3600000ms")
    assert limits.script_args == ("2", "10", "1000", "1000", "3600000")
    assert repr(limits) == "Limits('10/second; 1000/hour')"
    assert Limits("0/7 days").args == Limits("0/week").args == ("0", "604800000ms")

    policy = Limits.of_policy("login")
    assert (policy.policy, policy.rules) == ("login", ())
    assert (policy.args, policy.script_args) == (("POLICY", "login"), ())
    assert (str(policy), repr(policy)) == ("login", "Limits.of_policy('login')")


def test_limits_with_other_rules_or_names_differ() -> None:
    limits = Limits("10/second")
    others = [Limits("10/minute"), Limits("10/second; 1/day"), Limits("10/second", names=["burst"])]
    assert limits == Limits("10 per 1s")
    assert limits not in [*others, Limits.of_policy("10/second"), "10/second"]
    assert Limits.of_policy("a") != Limits.of_policy("b")


def test_a_parse_error_shows_the_place() -> None:
    with pytest.raises(ValueError) as error:
        Limits("10/second; 5/fortnight")
    assert str(error.value) == (
        "expected a unit of time (ms, s, m, h, d or w), found 'fortnight'\n10/second; 5/fortnight\n             ^"
    )


@given(st.text())
def test_any_text_parses_or_is_rejected(text: str) -> None:
    try:
        limits = Limits(text)
    except ValueError as error:
        assert error.args  # noqa: PT017
    else:
        assert Limits(str(limits)) == limits


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "1 names are given to 2 rules"),
        (["a", ""], "the name of a rule is empty"),
        (["a", "a"], 'the name "a" is given to two rules'),
        (["a", "täglich"], 'character 2 of the name "täglich" is not visible ASCII'),
    ],
)
def test_a_name_that_is_invalid_in_a_header_is_rejected(names: list[str], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Limits("1/second; 2/minute", names=names)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "expected at least one rule"),
        ([(1, 1)] * 17, "at most 16 rules are allowed"),
        ([(-1, 1)], "a limit must be from 0 to 4294967295 units, not -1"),
        ([(2**70, 1)], f"a limit must be from 0 to 4294967295 units, not {2**70}"),
        ([(1, 0)], "a window must be from 1 to 316224000000 ms, not 0"),
        ([(1, -5)], "a window must be from 1 to 316224000000 ms, not -5"),
    ],
)
def test_an_invalid_rule_is_rejected(pairs: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Limits.of_rules(pairs)
    assert str(error.value) == message


def test_a_rule_of_other_types_is_a_type_error() -> None:
    for pairs in [[1], [("1", 1)], [(1, 1.5)], 5]:
        with pytest.raises(TypeError):
            Limits.of_rules(pairs)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65])
def test_an_invalid_policy_name_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match="a policy's name is 1 to 64 characters of"):
        Limits.of_policy(name)
