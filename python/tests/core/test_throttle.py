from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import RetryHint, ThrottleState

DEADLINE = 1_000.0


def hint(remaining: int, seconds: int | None = None) -> RetryHint:
    reset = "" if seconds is None else f";t={seconds}"
    return RetryHint.from_headers([(b"ratelimit", f'"a";r={remaining}{reset}'.encode())], 0.0)


def test_requests_in_progress_do_not_exceed_the_quota() -> None:
    throttle = ThrottleState()
    assert [throttle.try_acquire(0.0, DEADLINE) for _ in range(3)] == [0.0, 0.0, 0.0]
    throttle.on_response(False, hint(2), 0.0, DEADLINE)
    throttle.release()
    assert throttle.try_acquire(0.0, DEADLINE) is None
    throttle.release()
    assert throttle.try_acquire(0.0, DEADLINE) == 0.0
    assert throttle.try_acquire(0.0, DEADLINE) is None


def test_no_request_starts_while_the_quota_is_exhausted() -> None:
    throttle = ThrottleState()
    throttle.try_acquire(100.0, DEADLINE)
    throttle.on_response(True, hint(0, 5), 100.0, DEADLINE)
    throttle.release()
    wait = throttle.try_acquire(100.0, DEADLINE)
    assert wait is not None
    assert 5.0 <= wait <= 5.5 + 1e-6
    assert throttle.try_acquire(100.0 + wait + 1e-6, DEADLINE) == 0.0


def test_no_request_is_held_back_beyond_its_deadline() -> None:
    throttle = ThrottleState()
    throttle.try_acquire(0.0, DEADLINE)
    throttle.on_response(True, hint(0, 50), 0.0, DEADLINE)
    assert throttle.try_acquire(0.0, 10.0) is None
    throttle.release()
    assert throttle.try_acquire(0.0, 10.0) == 0.0
    assert throttle.try_acquire(10.0, 10.0) == 0.0
    assert throttle.try_acquire(0.0, math.inf) not in {0.0, None}


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 3), st.floats(0, 9)), max_size=40))
def test_a_request_that_waits_is_always_started(
    events: list[tuple[int, bool, int, float]],
) -> None:
    throttle, now, under_way = ThrottleState(), 0.0, 0
    for event, denied, remaining, passed in events:
        now += passed
        if event == 0:
            under_way += throttle.try_acquire(now, now + 60) == 0.0
        elif event == 1:
            throttle.on_response(denied, hint(remaining, 3), now, DEADLINE)
        elif under_way:
            under_way -= 1
            throttle.release()
    for _ in range(under_way):
        throttle.release()
    for _ in range(3):
        wait = throttle.try_acquire(now, now + 60)
        assert wait is not None
        if wait == 0.0:
            break
        now += wait
    assert wait == 0.0


@pytest.mark.parametrize("now", [-1.0, math.nan])
def test_an_invalid_time_is_rejected(now: float) -> None:
    with pytest.raises(ValueError, match="now must be seconds, 0 or more"):
        ThrottleState().try_acquire(now, DEADLINE)
