"""The log of mistakes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ratelog.problems import MAX_PROBLEMS, Problems

if TYPE_CHECKING:
    import pytest


def test_a_problem_is_logged_once_a_minute_and_remembered_for_five(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    problems = Problems(lambda: now)
    for now in (0.0, 1.0, 59.0, 60.0, 61.0, 119.0):  # noqa: B007 - read by the clock
        problems.report("no policy named 'gold'")
    assert [record.getMessage() for record in caplog.records] == ["problem no policy named 'gold'"] * 2
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].ratelog == {  # type: ignore[attr-defined]
        "event": "problem",
        "problem": "no policy named 'gold'",
    }
    now = 418.0
    assert problems.recent() == ("no policy named 'gold'",)
    now = 419.0
    assert problems.recent() == ()


def test_the_number_of_problems_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    problems = Problems(lambda: now)
    for number in range(MAX_PROBLEMS + 50):
        problems.report(str(number))
    assert len(problems.recent()) == len(caplog.records) == MAX_PROBLEMS
    now = 300.0
    problems.report("later")
    assert problems.recent() == ("later",)
