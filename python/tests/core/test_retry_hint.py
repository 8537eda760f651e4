from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import RetryHint

NOW = 1_800_000_000.0


def test_the_headers_may_be_any_iterable_of_pairs() -> None:
    headers = [(b"Retry-After", b"5"), (b"ratelimit", b'"a";r=0;t=9, "b";r=4;t=60')]
    for each in (headers, iter(headers), tuple(headers), [list(pair) for pair in headers]):
        hint = RetryHint.from_headers(each, NOW)  # type: ignore[arg-type]
        assert (hint.retry_after, hint.remaining, hint.exhausted_for, hint.wait) == (5.0, 0, 9.0, 5.0)


def test_a_wait_until_a_date_may_have_a_fraction() -> None:
    after = (b"retry-after", b"Fri, 15 Jan 2027 09:00:05 GMT")
    assert RetryHint.from_headers([after], NOW + 3_604.5).wait == 0.5


@pytest.mark.parametrize("now", [-1.0, math.nan, math.inf, 1e300])
def test_an_invalid_time_is_rejected(now: float) -> None:
    with pytest.raises(ValueError, match="expected Unix time in seconds"):
        RetryHint.from_headers([], now)


@pytest.mark.parametrize("headers", [None, [b"retry-after"], [("retry-after", "5")], [(b"a", b"b", b"c")]])
def test_headers_of_other_types_are_rejected(headers: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        RetryHint.from_headers(headers, NOW)  # type: ignore[arg-type]


NAMES = [b"Retry-After", b"RateLimit", b"X-RateLimit-Remaining", b"ratelimit-reset", b"Date"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.binary(max_size=40) | st.from_regex(rb'("a"|b|[0-9]{1,25})(;[rt]=-?[0-9]{1,17}){0,3},?', fullmatch=True),
        )
    )
)
def test_any_bytes_are_parsed(headers: list[tuple[bytes, bytes]]) -> None:
    hint = RetryHint.from_headers(headers, NOW)
    assert hint.exhausted_for is None or hint.remaining == 0
    assert hint.wait == (hint.exhausted_for if hint.retry_after is None else hint.retry_after)
    assert hint.wait is None or hint.wait >= 0


items = st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.integers(0, 10**9))


@given(st.lists(items, min_size=1, max_size=5), st.booleans())
def test_all_items_of_a_list_are_read(quotas: list[tuple[str, int, int]], apart: bool) -> None:
    lines = [f'"{name}";r={remaining};t={wait}'.encode() for name, remaining, wait in quotas]
    headers = [(b"RateLimit", line) for line in (lines if apart else [b", ".join(lines)])]
    exhausted = [wait for _, remaining, wait in quotas if remaining == 0]
    hint = RetryHint.from_headers(headers, NOW)
    assert hint.remaining == min(remaining for _, remaining, _ in quotas)
    assert hint.wait == (max(exhausted) if exhausted else None)
