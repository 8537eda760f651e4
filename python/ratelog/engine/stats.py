"""Counts of checks, and the heaviest keys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, cast

from .overrides import parse_map, to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .commands import Reply

TopKind = Literal["denied", "checked"]


@dataclass(frozen=True)
class Counts:
    """Numbers of checks since the server started or the counts were reset. Peeks and errors do not count."""

    checks: int
    """All checks; each key of an `mcheck` counts as one."""
    allowed: int
    """Checks that returned allowed."""
    denied: int
    """Checks that returned denied."""
    shadow_denied: int
    """Checks that returned allowed and that a shadow policy would have denied."""
    overridden: int
    """Checks that an override decided."""
    near: int
    """Checks that rules allowed with at most a fifth of the limit remaining."""


@dataclass(frozen=True)
class PolicyStats(Counts):
    """The counts of the checks under one policy."""

    denied_by_rule: tuple[int, ...]
    """Checks that each rule denied, or would have denied in shadow mode, in the order of the policy's rules."""


@dataclass(frozen=True)
class Stats(Counts):
    """The counts of all checks, and of those under each policy."""

    policies: Mapping[str, PolicyStats]
    """By the policy's name, sorted."""


@dataclass(frozen=True)
class TopKey:
    """One of the heaviest keys."""

    key: bytes
    """The whole key; of a key of more than 256 bytes, its first 256 bytes with its length and a hash."""
    checks: int
    """The estimated number of checks in the last one to two minutes; older ones count less."""


_NAMES = tuple(field.name for field in fields(Counts))


def merge_stats(replies: Iterable[Reply]) -> Stats:
    """The sums of the replies of `RL.STATS`, by policy and rule."""
    maps = [parse_map(reply) for reply in replies]
    by_policy: dict[str, list[dict[str, Reply]]] = {}
    for each in maps:
        for name, counts in parse_map(each["policies"]).items():
            by_policy.setdefault(name, []).append(parse_map(counts))
    policies = {name: PolicyStats(*_sums(nodes), _rule_sums(nodes)) for name, nodes in sorted(by_policy.items())}
    return Stats(*_sums(maps), policies)


def merge_top(replies: Iterable[Reply], count: int) -> list[TopKey]:
    """The `count` heaviest keys of the replies of `RL.TOP`. Adds the counts of a key that several nodes report."""
    counts: Counter[bytes] = Counter()
    for reply in replies:
        for key, checks in cast("list[tuple[Reply, int]]", reply):
            counts[to_bytes(key)] += checks
    heaviest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [TopKey(key, checks) for key, checks in heaviest[:count]]


def _sums(maps: list[dict[str, Reply]]) -> tuple[int, int, int, int, int, int]:
    sums = tuple(sum(cast("int", each[name]) for each in maps) for name in _NAMES)
    return cast("tuple[int, int, int, int, int, int]", sums)


def _rule_sums(maps: list[dict[str, Reply]]) -> tuple[int, ...]:
    # A node that has not received a change of the policy yet may count other rules.
    counts = (cast("list[int]", each["denied_by_rule"]) for each in maps)
    return tuple(map(sum, zip_longest(*counts, fillvalue=0)))
