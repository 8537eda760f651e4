"""The output of a command: a table for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .._core import Decision
from ..engine.classify import ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

_DECISION_FIELDS = ("allowed", "limit", "remaining", "retry_after_ms", "reset_after_ms", "window_ms", "source")
_CREDENTIALS = re.compile(r"(://)\S*@")


@dataclasses.dataclass(frozen=True)
class Output:
    """The output of a command, and its exit status."""

    value: object
    """The result for `--json`."""
    text: str
    status: int = 0


def table(rows: Sequence[Sequence[object]], *header: str) -> str:
    """Left-aligned columns below a header."""
    lines = [header, *([*map(cell, row)] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def fields(*rows: tuple[str, object]) -> str:
    """One line for each name and value."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {cell(value)}" for name, value in rows)


def cell(value: object) -> str:
    """A value in a table. Names of keys may be any bytes, which must not control the terminal."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def milliseconds(value: int | None, none: str = "-") -> str:
    """A duration in seconds."""
    return none if value is None else f"{value / 1000:.3f}".rstrip("0").rstrip(".") + " s"


def instant(value: int | None) -> str:
    """Milliseconds since the Unix epoch as a time in UTC."""
    if value is None:
        return "-"
    return datetime.fromtimestamp(value / 1000, timezone.utc).isoformat(timespec="milliseconds")


def to_json(value: object) -> str:
    """The JSON text of a result. Bytes that are not UTF-8 are written as `\\xff`."""
    return json.dumps(value, indent=2, default=_to_plain)


def _to_plain(value: object) -> object:
    """A value that `json` does not know."""
    if isinstance(value, Decision):
        return {name: getattr(value, name) for name in _DECISION_FIELDS}
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def one_line(error: BaseException | str) -> str:
    """An error in one line, without the marks below a text that does not parse.

    Without credentials: of a URL, and of a command that the server quotes.
    """
    lines = [line.partition(ARGUMENTS)[0].strip() for line in str(error).splitlines()]
    text = "; ".join(line for line in lines if line and line != "^") or type(error).__name__
    return _CREDENTIALS.sub(r"\1***@", text)
