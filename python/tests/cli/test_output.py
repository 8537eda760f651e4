"""Tables and JSON."""

from __future__ import annotations

import json

import pytest

from ratelog import Decision, Limits
from ratelog.cli.output import cell, fields, instant, milliseconds, one_line, table, to_json
from ratelog.engine.overrides import ListedOverride


def test_columns_are_aligned() -> None:
    assert table([("a", 5), (b"longer", None)], "KEY", "CHECKS") == "KEY     CHECKS\na       5\nlonger  -"
    assert table([], "KEY", "CHECKS") == "KEY  CHECKS"
    assert fields(("a", True), ("longer", False)) == "a       yes\nlonger  no"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"user:\xc3\xa9", "user:é"),
        (b"\xff", "\\xff"),
        (b"a\x1b[31mb\n", "a\\x1b[31mb\\n"),
        (Limits("5/minute"), "5/minute"),
    ],
)
def test_a_key_cannot_control_the_terminal(value: object, text: str) -> None:
    assert cell(value) == text


def test_times_are_seconds_and_utc() -> None:
    texts = [milliseconds(value) for value in (0, 59_584, 3_600_000, 366 * 86_400_000, None)]
    assert texts == ["0 s", "59.584 s", "3600 s", "31622400 s", "-"]
    assert milliseconds(None, "never") == "never"
    assert instant(1_795_438_577_997) == "2026-11-23T12:56:17.997+00:00"
    assert instant(None) == "-"


def test_results_are_json() -> None:
    override = ListedOverride("limit", Limits("5/minute"), None, b"\xff", 0)
    decision = Decision(False, 5, 0, None, 7, 60_000)
    assert json.loads(to_json([override, decision, {"name": None}])) == [
        {"action": "limit", "limits": "5/minute", "ttl_ms": None, "key": "\\xff", "database": 0},
        {
            "allowed": False, "limit": 5, "remaining": 0, "retry_after_ms": None, "reset_after_ms": 7,
            "window_ms": 60_000, "source": "module",
        },
        {"name": None},
    ]  # fmt: skip


def test_an_error_is_one_line_without_credentials() -> None:
    assert one_line("expected a unit\n10/x\n   ^\n") == "expected a unit; 10/x"
    assert one_line(ValueError()) == "ValueError"
    assert one_line("at redis://user:pass:word@example.com:1/0!") == "at redis://***@example.com:1/0!"
    assert one_line("redis://:p/w@example.com and redis://b@c") == "redis://***@example.com and redis://***@c"
    assert one_line("""invalid choice: "redis://:it's@example.com" (choose""") == (
        'invalid choice: "redis://***@example.com" (choose'
    )
    assert one_line("unknown command 'AUTH', with args beginning with: 'app' 's3cret' ") == "unknown command 'AUTH'"
