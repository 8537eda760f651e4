"""Runs each example of the documents, with the wheel in a clean environment, and compares its output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ratelog.settings import load
from support.app_process import ENVIRONMENT, AppProcess
from support.documents import Block, blocks, commands_of, curl, normalize, with_server
from support.server import ROOT, Server
from support.wait import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = os.environ.get("RATELOG_BARE_PYTHON", sys.executable)
PAGES = [
    "README.md",
    "docs/migrating.md",
    "docs/python.md",
    "docs/quickstart.md",
    "docs/testing.md",
    "python/README.md",
]


def run(block: Block, server: Server, folder: Path, apps: list[AppProcess]) -> str:
    text = with_server(block, server.port)
    if apps:
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{apps[-1].port}")
    text = text.replace("redis.Redis()", f"redis.Redis(host='127.0.0.1', port={server.port})")
    ran = subprocess.run(
        [PYTHON, "-W", "error", "-c", text],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ran.returncode == 0, f"line {block.line}: {ran.stderr}"
    return ran.stdout


def run_command(command: str, server: Server, folder: Path) -> str:
    """The output and the errors of a command line."""
    program, *arguments = shlex.split(command)
    assert program == "python", command
    ran = subprocess.run(
        [PYTHON, "-W", "error", *arguments],
        cwd=folder,
        env={**ENVIRONMENT, "RATELOG_URL": server.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return ran.stdout


@pytest.fixture
def apps() -> Iterator[list[AppProcess]]:
    apps: list[AppProcess] = []
    yield apps
    for app in apps:
        app.close()


@pytest.mark.parametrize("name", PAGES)
def test_the_examples_print_what_the_documents_show(
    name: str, server: Server, tmp_path: Path, apps: list[AppProcess]
) -> None:
    ran = 0
    printed: str | None = None
    for block in blocks(ROOT / name):
        where = f"{name}, line {block.line}"
        if block.is_app:
            server.db().flushall()
            apps.append(AppProcess(with_server(block, server.port), tmp_path, PYTHON, "-W", "error"))
        elif block.language == "python":
            printed = run(block, server, tmp_path, apps)
        elif block.language == "text" and printed is not None:
            assert normalize(printed) == normalize(block.text), where
            printed = None
        elif block.language == "console" and block.text.startswith("$ curl"):
            for command, expected in commands_of(block):
                assert normalize(curl(command, apps[-1].port)).strip() == normalize(expected).strip(), (
                    f"{where}: {command}"
                )
        elif block.language == "console" and block.text.startswith("$ python -m ratelog"):
            for command, expected in commands_of(block):
                assert run_command(command, server, tmp_path).strip() == expected.strip(), f"{where}: {command}"
        elif block.language == "toml":
            (tmp_path / "ratelog.toml").write_text(block.text)
            load(tmp_path / "ratelog.toml")
        else:
            continue
        ran += 1
    assert ran > 0
