"""The commands about keys and checks, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cluster import Cluster
from support.command_line import CommandLine

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Start


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], server: Server) -> CommandLine:
    server.db().execute_command("RL.STATS", "RESET")
    return CommandLine(capsys, server.url)


def rows(table: str) -> list[list[str]]:
    """The words of each line of a table below its header."""
    return [line.split() for line in table.splitlines()[1:]]


def test_a_key_is_checked_peeked_and_explained(command: CommandLine) -> None:
    first = command.json("check", "k", "2/minute", "--cost", "2")
    assert (first["allowed"], first["remaining"], first["source"]) == (True, 0, "module")
    denied = command.json("check", "k", "2/minute", status=1)
    assert (denied["allowed"], denied["limit"], denied["window_ms"]) == (False, 2, 60_000)
    assert command.json("check", "k", "5/minute", "--peek")["remaining"] == 3
    assert command.json("inspect", "k")["units"] == 2
    explanation = command.json("explain", "k", "2/minute; 9/hour")
    assert (explanation["decided_by"], explanation["rule"]) == ("rules", 0)
    assert [rule["allowed"] for rule in explanation["rules"]] == [False, True]


def test_decisions_are_shown_as_tables(command: CommandLine) -> None:
    status, output, _ = command.run("check", "k", "0/minute")
    assert status == 1
    assert output.splitlines()[0].split() == ["allowed", "no"]
    assert "retry after  never\n" in output
    command.text("overrides", "set", "k", "limit", "5/minute")
    output = command.text("explain", "k", "0/minute")
    assert output.endswith("\ndecided by: override, rule 0\noverride: limit 5/minute\n")
    assert [row[:4] for row in rows(output)[:2]] == [["0", "yes", "5", "60"], ["decision", "yes", "5", "60"]]


def test_a_policy_takes_the_place_of_limits(command: CommandLine) -> None:
    command.text("policies", "set", "login", "1/minute")
    assert command.json("check", "k", "--policy", "login")["limit"] == 1
    assert command.error("check", "k", "--policy", "none") == "no policy named 'none'"
    assert command.error("explain", "k", "--policy", "none") == "no policy named 'none'"


def test_checks_are_counted(command: CommandLine) -> None:
    command.text("policies", "set", "login", "1/minute; 9/hour")
    for _ in range(2):
        command.run("check", "k", "--policy", "login")
    assert rows(command.text("stats")) == [
        ["(all)", "2", "1", "1", "0", "0", "1", "-"],
        ["login", "2", "1", "1", "0", "0", "1", "1", "0"],
    ]
    assert [row[0] for row in rows(command.text("top"))] == ["k"]
    assert [top["key"] for top in command.json("top", "checked", "--count", "1")] == ["k"]
    assert command.json("stats", "--reset")["policies"]["login"]["denied_by_rule"] == [1, 0]
    assert command.json("stats")["checks"] == 0
    assert rows(command.text("top")) == []


def test_overrides_are_set_listed_and_deleted(command: CommandLine) -> None:
    assert command.text("overrides", "set", "user:1", "deny", "--ttl", "600") == "set\n"
    assert command.json("overrides", "set", "b", "limit", "5/minute") == {"set": True}
    first, second = rows(command.text("overrides", "list"))
    assert first[:4] == ["user:1", "0", "deny", "-"]
    assert second == ["b", "0", "limit", "5/minute", "-"]
    assert [listed["key"] for listed in command.json("overrides", "list", "--match", "user:*")] == ["user:1"]
    assert "override   limit 5/minute\n" in command.text("inspect", "b")
    assert command.text("overrides", "delete", "b") == "deleted\n"
    assert command.error("overrides", "delete", "b") == "the key 'b' has no override"
    assert command.error("overrides", "set", "b", "limit") == "an override 'limit' takes limits"


def test_a_key_that_holds_nothing_is_an_error(command: CommandLine) -> None:
    assert command.error("inspect", "none") == "the key 'none' holds no units and no override"


def test_keys_may_be_any_bytes(command: CommandLine) -> None:
    command.text("overrides", "set", "\udcff\x1b", "deny")
    assert rows(command.text("overrides", "list"))[0][0] == "\\xff\\x1b"
    assert command.json("inspect", "\udcff\x1b")["override"]["action"] == "deny"


def test_checks_work_without_the_module(capsys: pytest.CaptureFixture[str], plain_server: Server) -> None:
    command = CommandLine(capsys, plain_server.url)
    assert command.json("check", "k", "1/minute")["source"] == "script"
    assert command.error("stats") == "RL.STATS needs the Ratelog module, which this server does not have"


def test_all_primaries_of_a_cluster_reply(capsys: pytest.CaptureFixture[str], start: Start) -> None:
    command = CommandLine(capsys, Cluster(start).url)
    keys = [f"k{number}" for number in range(12)]
    for key in keys:
        command.text("check", key, "1/minute")
        command.text("overrides", "set", key, "deny")
    assert command.json("stats")["checks"] == 12
    assert sorted(listed["key"] for listed in command.json("overrides", "list")) == sorted(keys)
