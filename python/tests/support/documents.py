"""The examples of a document: programs, applications, requests and output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_IGNORED_HEADERS = {"date", "server", "content-length"}


@dataclass
class Block:
    """A fenced block that starts at `line`."""

    language: str
    text: str
    line: int

    @property
    def is_app(self) -> bool:
        return self.language == "python" and self.text.startswith("# app.py\n")


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text()
    for match in _FENCE.finditer(text):
        yield Block(match[1], match[2], text.count("\n", 0, match.start()) + 2)


def with_server(block: Block, port: int) -> str:
    """The text of a block with the port of a server in place of the default port."""
    return re.sub(r"[\w.]+:6379\b", f"127.0.0.1:{port}", block.text)


def commands_of(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with its output."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    assert parts[0] == "", f"line {block.line}: expected a command first"
    yield from zip(parts[1::2], parts[2::2], strict=True)


def curl(command: str, port: int) -> str:
    """The output of `curl -i`, without headers that vary."""
    words = command.split()
    assert words[:2] == ["curl", "-i"], command
    assert len(words) == 3, command
    response = httpx.get(words[2].replace(":8000", f":{port}"))
    status = f"{response.http_version} {response.status_code} {response.reason_phrase}"
    fields = [f"{name}: {value}" for name, value in response.headers.items() if name not in _IGNORED_HEADERS]
    return "\n".join([status, *fields, "", response.text, ""])


def normalize(output: str) -> str:
    """Replaces the milliseconds, which vary, and the reason of a failed connection, which depends on redis-py."""
    output = re.sub(r'("retry_after_ms":)\d+', r"\1N", output)
    return re.sub(r"(Error \d+ connecting to [\w.:]+\.) .*", r"\1 R", output)
