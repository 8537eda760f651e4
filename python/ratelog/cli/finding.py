"""The findings of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    status: Status
    subject: str
    """The thing that was examined."""
    text: str
    """The result and, unless it is `ok`, the way out."""


def merge(by_node: Mapping[str, Finding]) -> list[Finding]:
    """The findings of all nodes about one subject: one line if they are the same, otherwise one for each node."""
    if len(set(by_node.values())) == 1:
        return list(by_node.values())[:1]
    return [Finding(each.status, each.subject, f"{node}: {each.text}") for node, each in by_node.items()]
