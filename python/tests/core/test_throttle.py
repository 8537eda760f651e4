from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import Hint, Lane

LATEST = 1_000.0


def told(remaining: int, seconds: int | None = None) -> Hint:
    reset = "" if seconds is None else f";t={seconds}"
    return Hint.read([(b"ratelimit", f'"a";r={remaining}{reset}'.encode())], 0.0)


def test_no_more_are_under_way_than_are_left() -> None:
    lane = Lane()
    assert [lane.enter(0.0, LATEST) for _ in range(3)] == [0.0, 0.0, 0.0]
    lane.answered(False, told(2), 0.0)
    lane.left()
    assert lane.enter(0.0, LATEST) is None
    lane.left()
    assert lane.enter(0.0, LATEST) == 0.0
    assert lane.enter(0.0, LATEST) is None


def test_nobody_goes_before_a_hold_is_over() -> None:
    lane = Lane()
    lane.enter(100.0, LATEST)
    lane.answered(True, told(0, 5), 100.0)
    lane.left()
    wait = lane.enter(100.0, LATEST)
    assert wait is not None
    assert 5.0 <= wait <= 5.5 + 1e-6
    assert lane.enter(100.0 + wait + 1e-6, LATEST) == 0.0


def test_nobody_is_held_beyond_the_latest() -> None:
    lane = Lane()
    lane.enter(0.0, LATEST)
    lane.answered(True, told(0, 50), 0.0)
    assert lane.enter(0.0, 10.0) is None
    lane.left()
    assert lane.enter(0.0, 10.0) == 0.0
    assert lane.enter(10.0, 10.0) == 0.0
    assert lane.enter(0.0, math.inf) not in {0.0, None}


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 3), st.floats(0, 9)), max_size=40))
def test_who_waits_as_told_always_gets_its_turn(
    events: list[tuple[int, bool, int, float]],
) -> None:
    lane, now, under_way = Lane(), 0.0, 0
    for event, refused, remaining, passed in events:
        now += passed
        if event == 0:
            under_way += lane.enter(now, now + 60) == 0.0
        elif event == 1:
            lane.answered(refused, told(remaining, 3), now)
        elif under_way:
            under_way -= 1
            lane.left()
    for _ in range(under_way):
        lane.left()
    for _ in range(3):
        wait = lane.enter(now, now + 60)
        assert wait is not None
        if wait == 0.0:
            break
        now += wait
    assert wait == 0.0


@pytest.mark.parametrize("now", [-1.0, math.nan])
def test_a_time_that_no_clock_shows_is_refused(now: float) -> None:
    with pytest.raises(ValueError, match="now is no span of time in seconds"):
        Lane().enter(now, LATEST)
