from __future__ import annotations

import itertools
import time

import pytest

from ratelog._core import Breaker, ProbeBackoff, failure_kind


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
    breaker.record_probe_failure("connection refused")
    assert (breaker.state, breaker.last_error) == ("open", "connection refused")
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
    ("message", "kind"),
    [
        ("LOADING the dataset", "transient"),
        ("CLUSTERDOWN", "transient"),
        ("READONLY", "connection-lost"),
        ("WRONGTYPE", None),
        ("", None),
        # Before Redis 7. redis-py removes the code ERR.
        ("Error running script (call to f_58de): @user_script:7: @user_script: 7: -OOM command", "transient"),
        ("ERR Error running script (call to f_58de): @user_script:7: LOADING Redis", "transient"),
        ("Error running script (call to f_58de): @user_script:7: WRONGTYPE Operation", None),
    ],
)
def test_errors_are_classified(message: str, kind: str | None) -> None:
    assert failure_kind(message) == kind
