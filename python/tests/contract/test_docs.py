"""Runs each example of the documents, with the wheel in a clean environment, and compares its output."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from ratelog.settings import load
from support.documents import Block, blocks, commands_of, curl, normalize
from support.server import ROOT, Server, free_port
from support.wait import TIMEOUT, until_sync

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
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("RATELOG_")}


def with_server(block: Block, server: Server) -> str:
    """The text of a block with the port of a server in place of the default port."""
    return re.sub(r"[\w.]+:6379\b", f"127.0.0.1:{server.port}", block.text)


def run(block: Block, server: Server, folder: Path, apps: list[App]) -> str:
    text = with_server(block, server)
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


class App:
    """An application of a document, served by uvicorn."""

    def __init__(self, block: Block, server: Server, folder: Path) -> None:
        self.port = free_port()
        (folder / "app.py").write_text(with_server(block, server))
        server.db().flushall()
        self._process = subprocess.Popen(
            [
                PYTHON,
                "-m",
                "uvicorn",
                "app:app",
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--log-level",
                "warning",
            ],
            cwd=folder,
            env=ENVIRONMENT,
        )
        until_sync(f"the application of line {block.line} listens", self._listens)

    def _listens(self) -> bool:
        assert self._process.poll() is None, "the application exited"
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/openapi.json").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)


@pytest.fixture
def apps() -> Iterator[list[App]]:
    apps: list[App] = []
    yield apps
    for app in apps:
        app.close()


@pytest.mark.parametrize("name", PAGES)
def test_the_examples_print_what_the_documents_show(name: str, server: Server, tmp_path: Path, apps: list[App]) -> None:
    ran = 0
    printed: str | None = None
    for block in blocks(ROOT / name):
        where = f"{name}, line {block.line}"
        if block.is_app:
            apps.append(App(block, server, tmp_path))
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
