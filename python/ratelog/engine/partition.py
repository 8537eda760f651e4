"""Checks of keys that several shards own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..check import has_recorded, unrecorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._core import Decision
    from ..check import Check
    from .shard import Shard

T = TypeVar("T")

Outcome = list["Decision | None"] | Exception
"""The decisions of a part, or its error."""


class Partition:
    """Divides items into one part for each shard. The keys that no shard owns have a part, too: that of `None`."""

    def __init__(self, keys: Iterable[bytes], shard_of: Callable[[bytes], Shard | None]) -> None:
        """`keys` are those of the items."""
        self._indices: dict[Shard | None, list[int]] = {}
        for index, key in enumerate(keys):
            self._indices.setdefault(shard_of(key), []).append(index)

    @property
    def shards(self) -> list[Shard | None]:
        """The shard of each part."""
        return list(self._indices)

    def split(self, items: Sequence[T]) -> list[list[T]]:
        """The items of each part."""
        return [[items[index] for index in indices] for indices in self._indices.values()]

    def merge(self, parts: Sequence[Sequence[T]]) -> list[T]:
        """The items of all parts, in their order before `split`."""
        items = {
            index: item
            for indices, part in zip(self._indices.values(), parts, strict=True)
            for index, item in zip(indices, part, strict=True)
        }
        return [items[index] for index in range(len(items))]


def unrecord(parts: Sequence[Sequence[Check]], outcomes: Sequence[Outcome]) -> list[tuple[Check, Decision]]:
    """Corrects the decisions of the parts that are allowed, as if they had recorded nothing. Returns their units.

    A part that is denied, or has failed, has recorded nothing: each shard records all checks of its part, or none.
    """
    recorded = []
    for checks, outcome in zip(parts, outcomes, strict=True):
        if isinstance(outcome, Exception) or is_denied(outcome):
            continue
        for index, (check, decision) in enumerate(zip(checks, outcome, strict=True)):
            if decision is not None and has_recorded(check, decision):
                recorded.append((check, decision))
                outcome[index] = unrecorded(decision, check.cost)
    return recorded


def is_denied(outcome: Outcome) -> bool:
    """Whether a check of the part is denied or failed."""
    return isinstance(outcome, Exception) or any(decision is not None and not decision for decision in outcome)
