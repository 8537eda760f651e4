"""The order of requests that wait for one limit."""

from __future__ import annotations

import threading

import pytest

from ratelog._core import RetryHint
from ratelog.retry.throttle import Throttle, Throttles, Waiter
from support.wait import TIMEOUT, until_sync

DEADLINE = 60.0


def hint(remaining: int, seconds: int | None = None) -> RetryHint:
    reset = "" if seconds is None else f";t={seconds}"
    return RetryHint.from_headers([(b"ratelimit", f'"a";r={remaining}{reset}'.encode())], 0.0)


def throttled(first_hint: RetryHint) -> Throttle:
    """A throttle whose first request got a response with `first_hint`, at 0."""
    throttle = Throttles(threading.Event).get("one")
    start(throttle, throttle.join_queue())
    throttle.on_response(False, first_hint, 0.0, DEADLINE)
    throttle.release()
    return throttle


def start(throttle: Throttle, waiter: Waiter, now: float = 0.0) -> None:
    assert throttle.try_acquire(waiter, now, DEADLINE) is None
    throttle.leave_queue(waiter)


def expect_wait(throttle: Throttle, waiter: Waiter, now: float = 0.0) -> float:
    wait = throttle.try_acquire(waiter, now, DEADLINE)
    assert wait is not None
    assert not waiter.event.is_set()
    return wait


def test_requests_start_in_order() -> None:
    throttle = throttled(hint(0))
    waiters = [throttle.join_queue() for _ in range(4)]
    start(throttle, waiters[0])
    for waiter in reversed(waiters[1:]):
        assert expect_wait(throttle, waiter) == DEADLINE
    throttle.release()
    assert [waiter.event.is_set() for waiter in waiters[1:]] == [True, False, False]
    assert expect_wait(throttle, waiters[2]) == DEADLINE
    start(throttle, waiters[1])


def test_the_first_waiter_is_woken_when_the_one_before_starts_or_leaves() -> None:
    throttle = throttled(hint(3))
    one, other, third = (throttle.join_queue() for _ in range(3))
    expect_wait(throttle, other)
    expect_wait(throttle, third)
    start(throttle, one)
    assert other.event.is_set()
    throttle.leave_queue(other)
    assert third.event.is_set()


def test_only_the_first_waiter_waits_for_the_quota() -> None:
    throttle = throttled(hint(0, 5))
    one, other = throttle.join_queue(), throttle.join_queue()
    assert 5.0 <= expect_wait(throttle, one) <= 6.0
    assert expect_wait(throttle, other, now=1.0) == DEADLINE - 1.0
    start(throttle, one, now=6.0)
    assert other.event.is_set()


def test_a_request_starts_at_its_deadline_whatever_its_place() -> None:
    throttle = throttled(hint(0))
    start(throttle, throttle.join_queue())
    one, other = throttle.join_queue(), throttle.join_queue()
    expect_wait(throttle, one)
    assert expect_wait(throttle, other, now=59.0) == 1.0
    start(throttle, other, now=DEADLINE)
    expect_wait(throttle, one, now=DEADLINE - 0.5)


@pytest.mark.parametrize("round_", range(5))
def test_no_thread_misses_a_wakeup(round_: int) -> None:
    throttle = throttled(hint(1))
    finished: list[int] = []

    def send_requests(number: int) -> None:
        for _ in range(50):
            waiter = throttle.join_queue()
            while (wait := throttle.try_acquire(waiter, 0.0, DEADLINE)) is not None:
                waiter.event.wait(wait)
            throttle.leave_queue(waiter)
            throttle.on_response(False, hint(1), 0.0, DEADLINE)
            throttle.release()
        finished.append(number)

    threads = [threading.Thread(target=send_requests, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    until_sync("all threads are finished", lambda: len(finished) == len(threads))


def test_threads_share_the_throttle_of_a_name() -> None:
    throttles = Throttles(threading.Event, max_size=2)
    barrier = threading.Barrier(8, timeout=TIMEOUT)
    found: list[Throttle] = []

    def find() -> None:
        for number in range(200):
            barrier.wait()
            found.append(throttles.get(str(number)))

    threads = [threading.Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(throttle) for throttle in found}) == 200
    assert len(throttles) == 2
