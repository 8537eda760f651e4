from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import Decision, Limits, LimitSet, RetryHint

if TYPE_CHECKING:
    from ratelog._core import HeaderFamily

BURST = Limits("100/minute; 1000/day", names=["burst", "daily"])
DENIED = Decision(False, 100, 0, 4_001, 59_000, 60_000)
POLICY = (b"ratelimit-policy", b'"burst";q=100;w=60, "daily";q=1000;w=86400')


def test_several_limits_share_each_header() -> None:
    limit_set = LimitSet([BURST, Limits("100/minute"), Limits("100/minute")])
    headers = limit_set.headers(
        [DENIED, Decision(True, 100, 7, 0, 60_000, 60_000), Decision(False, 100, 0, 9_000, 9, 60_000)]
    )
    assert headers == [
        (POLICY[0], POLICY[1] + b', "100/minute";q=100;w=60, "3:100/minute";q=100;w=60'),
        (b"ratelimit", b'"burst";r=0;t=5, "100/minute";r=7;t=9, "3:100/minute";r=0;t=9'),
        (b"retry-after", b"9"),
    ]


def test_fallback_decisions_report_retry_after_only() -> None:
    limit_set = LimitSet([BURST, BURST], "both")
    fallback = Decision(False, 100, 0, 5_000, 5_000, 60_000, "fallback")
    assert limit_set.headers([fallback, fallback]) == [(b"retry-after", b"5")]
    assert json.loads(limit_set.problem([fallback, fallback]))["violated-policies"] == []
    policy = POLICY[1] + b', "2:burst";q=100;w=60, "2:daily";q=1000;w=86400'
    assert limit_set.headers([DENIED, fallback]) == [
        (POLICY[0], policy),
        (b"ratelimit", b'"burst";r=0;t=5'),
        (b"x-ratelimit-limit", b"100"),
        (b"x-ratelimit-remaining", b"0"),
        (b"x-ratelimit-reset", b"5"),
        (b"retry-after", b"5"),
    ]
    assert limit_set.headers([None, fallback]) == [(b"retry-after", b"5")]


def test_a_problem_has_all_violated_policies_and_the_longest_wait() -> None:
    limit_set = LimitSet([BURST, Limits("5/second"), Limits("9/hour")])
    decisions = [DENIED, Decision(True, 5, 2, 0, 1_000, 1_000), Decision(False, 9, 0, None, 0, 3_600_000)]
    assert json.loads(limit_set.problem(decisions)) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": ["burst", "9/hour"],
        "retry_after_ms": None,
    }


def test_each_limit_needs_a_decision() -> None:
    limit_set = LimitSet([BURST])
    for method in (limit_set.headers, limit_set.problem):
        with pytest.raises(ValueError) as error:
            method([DENIED, DENIED])
        assert str(error.value) == "expected one decision per limit: 1, not 2"


def test_an_unknown_header_family_is_rejected() -> None:
    with pytest.raises(ValueError) as error:
        LimitSet([BURST], "draft-10")  # type: ignore[arg-type]
    assert str(error.value) == '"draft-10" is not one of draft-11, x-ratelimit, x-ratelimit-epoch, both, none'


def test_a_reset_in_unix_time_needs_the_time() -> None:
    limit_set = LimitSet([BURST], "x-ratelimit-epoch")
    assert (b"x-ratelimit-reset", b"1800000005") in limit_set.headers([DENIED], now=1_800_000_000)
    for family in ("draft-11", "x-ratelimit", "both", "none"):
        other = LimitSet([BURST], family)
        assert other.headers([DENIED], 1_800_000_000.5) == other.headers([DENIED])
    with pytest.raises(ValueError) as error:
        limit_set.headers([DENIED])
    assert str(error.value) == "the headers of family x-ratelimit-epoch need the time: pass now"
    with pytest.raises(ValueError, match="expected Unix time in seconds, not -1"):
        limit_set.headers([DENIED], -1)


decisions = st.builds(
    Decision,
    st.booleans(),
    st.sampled_from([5, 100]),
    st.integers(0, 200),
    st.one_of(st.none(), st.integers(0, 10**9)),
    st.integers(0, 10**9),
    st.sampled_from([60_000, 1_000]),
)


@given(st.lists(decisions, min_size=1, max_size=4), st.sampled_from(["draft-11", "both"]))
def test_retry_after_covers_every_denial(decided: list[Decision], family: HeaderFamily) -> None:
    limit_set = LimitSet([BURST, Limits("5/second"), BURST, Limits.of_policy("login")][: len(decided)], family)
    headers = limit_set.headers(decided)
    waits = [it.retry_after_ms for it in decided if not it]
    wait = RetryHint.from_headers(headers, 0.0).retry_after
    if not waits or None in waits:
        assert wait is None
    else:
        assert wait is not None
        assert all(wait * 1_000 >= (each or 0) for each in waits)
    names = [item.partition(";")[0] for item in dict(headers)[b"ratelimit"].decode().split(", ")]
    listed = [item.partition(";")[0] for item in dict(headers)[b"ratelimit-policy"].decode().split(", ")]
    assert len(names) == len(set(names)) == len(decided)
    assert len(listed) == len(set(listed))
    assert set(names) <= set(listed)
