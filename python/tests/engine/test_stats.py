"""The replies of several nodes are added."""

from __future__ import annotations

from typing import Any

from ratelog.engine.stats import PolicyStats, Stats, TopKey, merge_stats, merge_top

NAMES = (b"checks", b"allowed", b"denied", b"shadow_denied", b"overridden", b"near")


def counts(*values: int, **others: Any) -> dict[bytes, Any]:
    return {**dict(zip(NAMES, values, strict=True)), **{name.encode(): value for name, value in others.items()}}


def flat(fields: dict[bytes, Any]) -> list[Any]:
    """A map as RESP2 has it."""
    return [item for pair in fields.items() for item in pair]


def test_counts_are_added_by_policy_and_by_rule() -> None:
    first = counts(6, 5, 4, 3, 2, 1, policies={b"b": counts(1, 1, 0, 0, 0, 0, denied_by_rule=[1, 2])})
    other = flat(counts(2, 0, 0, 0, 0, 0, denied_by_rule=[5]))
    second = flat(counts(10, 10, 10, 10, 10, 10, policies=[b"b", other, "a", other]))
    assert merge_stats([first, second]) == Stats(
        16, 15, 14, 13, 12, 11,
        {"a": PolicyStats(2, 0, 0, 0, 0, 0, (5,)), "b": PolicyStats(3, 1, 0, 0, 0, 0, (6, 2))},
    )  # fmt: skip


def test_policies_are_sorted_by_name() -> None:
    empty = counts(0, 0, 0, 0, 0, 0, denied_by_rule=[0])
    reply = counts(0, 0, 0, 0, 0, 0, policies={b"z": empty, b"a": empty, b"m": empty})
    assert list(merge_stats([reply]).policies) == ["a", "m", "z"]


def test_the_counts_of_a_key_on_several_nodes_are_added() -> None:
    replies = [[[b"a", 5], ["b", 4]], [[b"c", 7], ["a", 3], [b"\xff", 4]]]
    assert merge_top(replies, 10) == [TopKey(b"a", 8), TopKey(b"c", 7), TopKey(b"b", 4), TopKey(b"\xff", 4)]
    assert merge_top(replies, 1) == [TopKey(b"a", 8)]
    assert merge_top([], 10) == []
