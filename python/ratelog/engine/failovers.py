"""The outages of shards whose slots other nodes took over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .shard import Shard
    from .shards import Shards


class Failovers:
    """Reports the end of the outage of a lost shard when other nodes serve its slots."""

    def __init__(self) -> None:
        self._slots: dict[Shard, Sequence[int]] = {}

    def add(self, shard: Shard, slots: Sequence[int]) -> None:
        """Adds a shard that owns no slots any more, and the slots that it had. Ignores it if its outage has ended."""
        if shard.leave():
            self._slots[shard] = slots

    def report_ends(self, shards: Shards) -> None:
        """Reports the outages that have ended: available nodes own all slots of the lost shard."""
        for lost, slots in list(self._slots.items()):
            owners = {shards.of_slot(slot) for slot in slots}
            served = [owner for owner in owners if owner is not None and owner.is_available]
            # Another event loop may report it, too.
            if len(served) == len(owners) and self._slots.pop(lost, None) is not None:
                lost.report_replaced(served)
