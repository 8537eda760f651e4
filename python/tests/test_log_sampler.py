"""Bounded logs."""

from __future__ import annotations

from ratelog.log_sampler import LogSampler


def test_a_burst_is_admitted_in_each_interval_and_the_others_are_counted() -> None:
    now = 0.0
    sampler = LogSampler(2, 1.0, lambda: now)
    assert [sampler.admit() for _ in range(5)] == [0, 0, None, None, None]
    now = 0.9
    assert sampler.admit() is None
    now = 1.0
    assert [sampler.admit() for _ in range(3)] == [4, 0, None]
    now = 9.0
    assert sampler.admit() == 1
