"""The findings of several nodes."""

from __future__ import annotations

from ratelog.cli.finding import Finding, merge

FINE = Finding("ok", "clock", "fine")
WRONG = Finding("error", "clock", "wrong")


def test_the_same_finding_on_all_nodes_is_one_line() -> None:
    assert merge({"a:1": FINE, "b:1": Finding("ok", "clock", "fine")}) == [FINE]


def test_different_findings_name_their_nodes() -> None:
    assert merge({"a:1": FINE, "b:1": WRONG}) == [
        Finding("ok", "clock", "a:1: fine"),
        Finding("error", "clock", "b:1: wrong"),
    ]
