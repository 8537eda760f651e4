"""The examples of a document: programs, applications, what is asked of them, and what they print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_UNTOLD = {"date", "server", "content-length"}


@dataclass
class Block:
    """A fenced block; `line` is its first."""

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


def asked(block: Block) -> Iterator[tuple[str, str]]:
    """Each `curl -i`, and what it is said to print."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    assert parts[0] == "", f"line {block.line}: what comes before the first command?"
    yield from zip(parts[1::2], parts[2::2], strict=True)


def curl(command: str, port: int) -> str:
    """What `curl -i` prints, without the fields that tell nothing here."""
    words = command.split()
    assert words[:2] == ["curl", "-i"], command
    assert len(words) == 3, command
    response = httpx.get(words[2].replace(":8000", f":{port}"))
    status = f"{response.http_version} {response.status_code} {response.reason_phrase}"
    fields = [f"{name}: {value}" for name, value in response.headers.items() if name not in _UNTOLD]
    return "\n".join([status, *fields, "", response.text, ""])


def steady(printed: str) -> str:
    """Without the milliseconds that differ from run to run."""
    return re.sub(r'("retry_after_ms":)\d+', r"\1N", printed)
