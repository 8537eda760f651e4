"""The program, and errors of each kind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ratelog import __version__
from support.command_line import CommandLine
from support.server import Server, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from support.types import Start


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RATELOG_")}
    command = [sys.executable, "-m", "ratelog", *argv]
    return subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True, check=False, cwd="/")


def test_the_program_reads_the_environment_and_the_file(server: Server, tmp_path: Path) -> None:
    ran = run("check", "k", "1/minute", RATELOG_URL=server.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    config = tmp_path / "ratelog.toml"
    config.write_text(f'url = "{server.url}"\n')
    ran = run("check", "k", "1/minute", "--config", str(config))
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.splitlines()[0].split() == ["allowed", "no"]


def test_the_program_reports_an_unavailable_server_once() -> None:
    ran = run("--url", f"redis://user:s3cret@127.0.0.1:{free_port()}", "stats")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: the server is unavailable: ")
    assert ran.stderr.count("\n") == 1
    assert "s3cret" not in ran.stderr


def test_the_program_ends_quietly_if_its_output_is_closed(server: Server) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "ratelog", "--url", server.url, "stats"]
    try:
        ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, cwd="/")
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (1, b"")


def test_a_key_that_the_output_cannot_encode_is_escaped(server: Server) -> None:
    server.db().execute_command("RL.OVERRIDE", "SET", "café", "DENY")
    ran = run("--url", server.url, "overrides", "list", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "caf\\xe9" in ran.stdout


def test_the_server_is_asked_even_if_the_limiter_is_disabled(server: Server) -> None:
    ran = run("check", "k", "1/minute", "--json", RATELOG_URL=server.url, RATELOG_ENABLED="false")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert '"source": "module"' in ran.stdout


def test_wrong_arguments_have_status_2() -> None:
    ran = run("nothing")
    assert ran.returncode == 2
    assert "invalid choice: 'nothing'" in ran.stderr


def test_the_program_shows_its_version() -> None:
    assert run("--version").stdout == f"ratelog {__version__}\n"


@pytest.mark.parametrize("argv", [["check", "k", "1/minute"], ["stats"], ["overrides", "set", "k", "deny"]])
def test_an_unavailable_server_is_an_error(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    command = CommandLine(capsys, f"redis://127.0.0.1:{free_port()}")
    assert command.error(*argv).startswith("the server is unavailable: ")


def test_a_limiter_without_a_server_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    text = "memory:// has no server: pass --url, or set RATELOG_URL"
    assert CommandLine(capsys, "memory://").error("check", "k", "1/minute") == text


def test_an_invalid_setting_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATELOG_DEFAULT", "5/fortnight")
    error = CommandLine(capsys, "redis://127.0.0.1:1").error("stats")
    assert error.startswith("environment variable RATELOG_DEFAULT: expected a unit of time")
    monkeypatch.delenv("RATELOG_DEFAULT")
    error = CommandLine(capsys, "redis://user:s3cret@127.0.0.1:port").error("stats")
    assert error.startswith("url: ")
    assert "s3cret" not in error


def test_a_missing_right_is_an_error(capsys: pytest.CaptureFixture[str], start: Start) -> None:
    server = start("user default on nopass ~* +@all -rl.stats")
    assert "rl.stats" in CommandLine(capsys, server.url).error("stats")
