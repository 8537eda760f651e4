"""The shared table of cases, with the commands of this package.

The module runs the cases that need no clock; the script runs all of them, with a replaced clock. See
core/test_local.py for the limiter in this process.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import Check, Decision, Limits
from ratelog._core import SCRIPT, Policies
from ratelog.engine.commands import ModuleDialect, ScriptDialect
from support.server import ROOT

if TYPE_CHECKING:
    from ratelog.engine.commands import Command, Dialect
    from support.server import Server

CASES = json.loads((ROOT / "tests/cases.json").read_text(encoding="utf-8"))["cases"]
START = 1_700_000_000_000
SLACK = 30_000
"""Milliseconds that may pass on a real clock during a case."""


def command(dialect: Dialect, key: str, event: dict[str, Any]) -> Command:
    if "refund" in event:
        return dialect.refund(key.encode(), event["refund"])
    limits = Limits.of_rules([(limit, window) for limit, window in event.get("check") or event["peek"]])
    check = Check(key.encode(), limits, event.get("cost", 1))
    return dialect.check(check) if "check" in event else dialect.peek(check)


def at_one_instant(case: dict[str, Any]) -> bool:
    windows = [window for event in case["events"] for _, window in event.get("check") or event.get("peek") or []]
    return all(event["at"] == 0 for event in case["events"]) and min(windows) >= 2 * SLACK


IMMEDIATE = [case for case in CASES if at_one_instant(case)]


def test_enough_cases_need_no_clock() -> None:
    assert len(IMMEDIATE) >= 5


@pytest.mark.parametrize("case", IMMEDIATE, ids=lambda case: case["name"])
def test_the_module_passes_the_cases(case: dict[str, Any], server: Server) -> None:
    db = server.db()
    for event in case["events"]:
        reply = db.execute_command(*command(ModuleDialect(), "key", event))
        if "refund" in event:
            assert reply == event["units"]
            continue
        actual, expected = Decision.from_reply(reply, "module"), Decision.from_reply(event["decision"], "module")
        fields = ("allowed", "limit", "remaining", "window_ms")
        assert [getattr(actual, field) for field in fields] == [getattr(expected, field) for field in fields], event
        for field in ("retry_after_ms", "reset_after_ms"):
            span = getattr(expected, field)
            least = span if not span else span - SLACK
            assert getattr(actual, field) == span or least <= getattr(actual, field) <= span, event


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_script_passes_the_cases(case: dict[str, Any], plain_server: Server) -> None:
    real, given = "millis(call('TIME')) -- the clock", "tonumber(table.remove(ARGV)) --"
    expiry, never = "call('PEXPIRE', log.key, text(", "call('PEXPIREAT', log.key, text(2 ^ 47 + now + "
    assert (SCRIPT.count(real), SCRIPT.count(expiry)) == (1, 1)
    db = plain_server.db()
    script = db.script_load(SCRIPT.replace(real, given).replace(expiry, never))
    for event in case["events"]:
        words = command(ScriptDialect(Policies()), "key", event)
        reply = db.execute_command("EVALSHA", script, *words[2:], START + event["at"])
        if "refund" in event:
            assert reply == event["units"]
        else:
            assert Decision.from_reply(reply, "script") == Decision.from_reply(event["decision"], "script"), event
