"""Runs the command line in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ratelog.cli.main import main

if TYPE_CHECKING:
    import pytest


class CommandLine:
    """Commands for one server."""

    def __init__(self, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self._capsys = capsys
        self._url = url

    def run(self, *argv: str) -> tuple[int, str, str]:
        """The exit status, the output and the errors of a command."""
        status = main(["--url", self._url, *argv])
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    def text(self, *argv: str) -> str:
        """The output of a command that succeeds."""
        status, output, errors = self.run(*argv)
        assert (status, errors) == (0, ""), f"{argv}: {output}{errors}"
        return output

    def json(self, *argv: str, status: int = 0) -> Any:
        """The parsed output of a command with `--json`."""
        actual, output, errors = self.run("--json", *argv)
        assert (actual, errors) == (status, ""), f"{argv}: {output}{errors}"
        return json.loads(output)

    def error(self, *argv: str) -> str:
        """The error of a command that fails: one line."""
        status, output, errors = self.run(*argv)
        assert (status, output) == (1, ""), f"{argv}: {output}{errors}"
        assert errors.startswith("error: "), errors
        assert errors.count("\n") == 1, errors
        return errors.removeprefix("error: ").rstrip("\n")
