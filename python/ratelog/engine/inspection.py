"""The contents of a key, and the explanation of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from .._core import Decision
from .overrides import Override, parse_map, parse_override, text

if TYPE_CHECKING:
    from .commands import Reply


@dataclass(frozen=True)
class KeyInfo:
    """The contents of a key. Instants are milliseconds since the Unix epoch, on the server's clock."""

    units: int
    """The recorded units."""
    oldest_ms: int | None
    """The instant of the oldest unit; `None` if there are no units."""
    newest_ms: int | None
    """The instant of the newest unit; `None` if there are no units."""
    retention_ms: int
    """How long the key holds a unit, in milliseconds."""
    bytes: int
    """The memory of the value, without the key's name."""
    override: Override | None
    """The key's override."""


@dataclass(frozen=True)
class Hit:
    """Units that were recorded at one instant."""

    instant_ms: int
    """Milliseconds since the Unix epoch, on the server's clock."""
    units: int
    """The units of this instant."""


@dataclass(frozen=True)
class Explanation:
    """Why a check is decided as it is."""

    decision: Decision
    """The decision of `peek`."""
    rules: tuple[Decision, ...]
    """The decision of each rule alone, in order; with an override `limit`, of the override's rules."""
    decided_by: Literal["rules", "override", "shadow"]
    """`shadow`: the rules deny the check, and their policy is in shadow mode."""
    rule: int | None
    """The index in `rules` of the rule that decides; `None` if an override allows or denies every check."""
    override: Override | None
    """The key's override."""


def parse_key_info(reply: Reply) -> KeyInfo | None:
    """Parses the reply of `RL.INSPECT`; `None` if the key holds nothing."""
    if reply is None:
        return None
    fields = parse_map(reply)
    return KeyInfo(
        units=cast("int", fields["units"]),
        oldest_ms=cast("int | None", fields["oldest_ms"]),
        newest_ms=cast("int | None", fields["newest_ms"]),
        retention_ms=cast("int", fields["retention_ms"]),
        bytes=cast("int", fields["bytes"]),
        override=parse_override(fields["override"]),
    )


def parse_hits(reply: Reply) -> list[Hit]:
    """Parses the reply of `RL.HITS`."""
    return [Hit(instant, units) for instant, units in cast("list[tuple[int, int]]", reply)]


def parse_explanation(reply: Reply) -> Explanation:
    """Parses the reply of `RL.EXPLAIN`."""
    fields = parse_map(reply)
    return Explanation(
        decision=Decision.from_reply(fields["decision"], "module"),
        rules=tuple(Decision.from_reply(rule, "module") for rule in cast("list[Reply]", fields["rules"])),
        decided_by=cast("Literal['rules', 'override', 'shadow']", text(fields["decided_by"])),
        rule=cast("int | None", fields["rule"]),
        override=parse_override(fields["override"]),
    )
