from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import Backoff, RetryPolicy

NOW = 1_800_000_000.0


def after(seconds: int) -> list[tuple[bytes, bytes]]:
    return [(b"Retry-After", str(seconds).encode())]


@pytest.mark.parametrize(
    ("method", "headers", "idempotent", "repeated"),
    [
        ("GET", [], None, {429, 503, "lost", "not_connected"}),
        ("PUT", [], None, {429, 503, "lost", "not_connected"}),
        ("POST", [], None, {429, "not_connected"}),
        ("POST", [(b"Idempotency-Key", b"7")], None, {429, 503, "lost", "not_connected"}),
        ("POST", [], True, {429, 503, "lost", "not_connected"}),
        ("GET", [], False, set()),
    ],
)
def test_a_request_that_may_have_been_executed_is_retried_only_if_idempotent(
    method: str, headers: list[tuple[bytes, bytes]], idempotent: bool | None, repeated: set[object]
) -> None:
    def backoff() -> Backoff:
        return Backoff(RetryPolicy(), method, headers, idempotent)

    waits: dict[object, float | None] = {
        **{status: backoff().after_response(status, after(1), NOW, 0.0) for status in (200, 404, 429, 500, 503)},
        "lost": backoff().after_error(True, 0.0),
        "not_connected": backoff().after_error(False, 0.0),
    }
    assert {what for what, wait in waits.items() if wait is not None} == repeated


@given(st.integers(0, 40), st.floats(0, 100))
def test_waits_respect_retry_after_and_the_total(retry_after: int, elapsed: float) -> None:
    backoff = Backoff(RetryPolicy(max_total=60, max_single_wait=30), "GET", [])
    wait = backoff.after_response(429, after(retry_after), NOW, elapsed)
    if retry_after > min(60 - elapsed, 30):
        assert wait is None
    elif retry_after == 0:
        # As if the server gave no wait.
        assert wait is None or 0.1 <= wait <= min(60 - elapsed, 0.2)
    else:
        assert wait is not None
        assert retry_after <= wait <= min(retry_after + max(retry_after / 10, 0.1), 60 - elapsed, 30) + 1e-6


def test_waits_grow_until_the_last_try() -> None:
    backoff = Backoff(RetryPolicy(max_attempts=4, base=1.0, factor=3.0), "GET", [])
    waits = [backoff.after_response(503, [], NOW, 0.0) for _ in range(4)]
    least = (1.0, 3.0, 9.0)
    assert waits[3] is None
    assert all(wait is not None and low <= wait <= 2 * low for wait, low in zip(waits, least, strict=False))


def test_the_first_try_is_always_made() -> None:
    assert Backoff(RetryPolicy(max_attempts=0), "GET", []).after_response(429, after(0), NOW, 0.0) is None


@pytest.mark.parametrize("factor", [-1.0, 0.0, math.nan, math.inf, 1e300])
def test_an_unusual_factor_gives_valid_waits(factor: float) -> None:
    backoff = Backoff(RetryPolicy(factor=factor), "GET", [])
    waits = [backoff.after_error(False, 0.0) for _ in range(4)]
    assert all(wait is not None and 0.1 <= wait <= 30 for wait in waits)


@pytest.mark.parametrize("name", ["max_total", "max_single_wait", "base"])
@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_a_negative_time_is_rejected(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be seconds, 0 or more"):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]


def test_an_invalid_number_of_attempts_is_rejected() -> None:
    with pytest.raises(ValueError) as error:
        RetryPolicy(max_attempts=-1)
    assert str(error.value) == "max_attempts must be from 0 to 4294967295, not -1"
