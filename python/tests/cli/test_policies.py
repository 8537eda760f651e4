"""The commands about policies, on a real server."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Server


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], server: Server) -> CommandLine:
    return CommandLine(capsys, server.url)


def test_policies_are_set_listed_and_deleted(command: CommandLine) -> None:
    assert command.text("policies", "set", "login", "5/minute; 100/hour") == "set\n"
    assert command.json("policies", "set", "trial", "1/minute", "--shadow") == {"set": True}
    assert command.text("policies", "list").splitlines() == [
        "NAME   MODE     LIMITS",
        "login  enforce  5/1m; 100/1h",
        "trial  shadow   1/1m",
    ]
    assert command.json("policies", "get", "login") == {
        "name": "login",
        "limits": "5/minute; 100/hour",
        "shadow": False,
    }
    assert command.text("policies", "delete", "login") == "deleted\n"
    for action in ("get", "delete"):
        assert "no policy named 'login'" in command.error("policies", action, "login")


def test_exported_policies_can_be_imported(
    command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.text("policies", "set", "login", "5/minute")
    document = command.text("policies", "export")
    file = tmp_path / "policies.json"
    file.write_text(document)
    command.text("policies", "delete", "login")
    assert command.text("policies", "import", str(file)) == "imported\n"
    assert command.text("policies", "export") == document
    monkeypatch.setattr("sys.stdin", io.StringIO('{"policies":[]}'))
    assert command.json("policies", "import", "-") == {"imported": True}
    assert command.json("policies", "list") == []
    file.write_text(json.dumps({"policies": [{"name": "a", "rules": []}]}))
    assert "policies[0].rules" in command.error("policies", "import", str(file))
    assert "No such file" in command.error("policies", "import", str(tmp_path / "none.json"))
