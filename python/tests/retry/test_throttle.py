"""Who goes when several requests wait for one limit."""

from __future__ import annotations

import threading

import pytest

from ratelog._core import Hint
from ratelog.retry.throttle import Lanes, Place, Shared
from support.wait import until_sync

LATEST = 60.0


def told(remaining: int, seconds: int | None = None) -> Hint:
    reset = "" if seconds is None else f";t={seconds}"
    return Hint.read([(b"ratelimit", f'"a";r={remaining}{reset}'.encode())], 0.0)


def shared(hint: Hint) -> Shared:
    """A lane whose first request was answered with `hint`, at 0."""
    lane = Lanes(threading.Event).of("one")
    goes(lane, lane.line_up())
    lane.answered(False, hint, 0.0)
    lane.left()
    return lane


def goes(lane: Shared, place: Place, now: float = 0.0) -> None:
    assert lane.ask(place, now, LATEST) is None
    lane.step_out(place)


def waits(lane: Shared, place: Place, now: float = 0.0) -> float:
    wait = lane.ask(place, now, LATEST)
    assert wait is not None
    assert not place.called.is_set()
    return wait


def test_who_came_later_does_not_go_first() -> None:
    lane = shared(told(0))
    places = [lane.line_up() for _ in range(4)]
    goes(lane, places[0])
    for place in reversed(places[1:]):
        assert waits(lane, place) == LATEST
    lane.left()
    assert [place.called.is_set() for place in places[1:]] == [True, False, False]
    assert waits(lane, places[2]) == LATEST
    goes(lane, places[1])


def test_who_is_first_is_called_when_the_one_before_goes_or_gives_up() -> None:
    lane = shared(told(3))
    one, other, third = (lane.line_up() for _ in range(3))
    waits(lane, other)
    waits(lane, third)
    goes(lane, one)
    assert other.called.is_set()
    lane.step_out(other)
    assert third.called.is_set()


def test_only_the_first_waits_for_a_hold_to_end_and_the_others_for_it() -> None:
    lane = shared(told(0, 5))
    one, other = lane.line_up(), lane.line_up()
    assert 5.0 <= waits(lane, one) <= 6.0
    assert waits(lane, other, now=1.0) == LATEST - 1.0
    goes(lane, one, now=6.0)
    assert other.called.is_set()


def test_who_has_waited_long_enough_goes_whoever_is_before() -> None:
    lane = shared(told(0))
    goes(lane, lane.line_up())
    one, other = lane.line_up(), lane.line_up()
    waits(lane, one)
    assert waits(lane, other, now=59.0) == 1.0
    goes(lane, other, now=LATEST)
    waits(lane, one, now=LATEST - 0.5)


@pytest.mark.parametrize("round_", range(5))
def test_no_thread_waits_for_a_call_that_it_has_missed(round_: int) -> None:
    lane = shared(told(1))
    gone: list[int] = []

    def go(number: int) -> None:
        for _ in range(50):
            place = lane.line_up()
            while (wait := lane.ask(place, 0.0, LATEST)) is not None:
                place.called.wait(wait)
            lane.step_out(place)
            lane.answered(False, told(1), 0.0)
            lane.left()
        gone.append(number)

    threads = [threading.Thread(target=go, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    until_sync("all threads have gone", lambda: len(gone) == len(threads))


def test_threads_that_name_one_limit_share_it() -> None:
    lanes = Lanes(threading.Event, most=2)
    barrier = threading.Barrier(8, timeout=20)
    kept: list[Shared] = []

    def find() -> None:
        for number in range(200):
            barrier.wait()
            kept.append(lanes.of(str(number)))

    threads = [threading.Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(lane) for lane in kept}) == 200
    assert len(lanes) == 2
