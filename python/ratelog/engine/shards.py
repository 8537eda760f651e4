"""The shards of a cluster, and the slots that they own."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from .._core import ShardMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from .redirect import Redirect
    from .shard import Shard
    from .topology import Topology


REDIRECT_SECONDS = 60.0
"""The time after its last redirect for which a shard without slots is remembered."""


class _State(NamedTuple):
    """Replaced as a whole, so that threads need no lock."""

    owners: ShardMap
    by_address: dict[str, Shard]
    """Also shards that own no slots yet."""

    def of_key(self, key: bytes) -> Shard | None:
        return self.at(self.owners.of_key(key))

    def at(self, address: str | None) -> Shard | None:
        return None if address is None else self.by_address[address]


class Shards:
    """Finds the shard of a key."""

    def __init__(self, create: Callable[[str], Shard]) -> None:
        """`create` creates the shard of an address."""
        self._create = create
        self._state = _State(ShardMap(), {})
        self.version = 0
        """Changes whenever shards may have been dropped."""

    def __len__(self) -> int:
        return len(self._state.owners.addresses())

    def of_key(self, key: bytes) -> Shard | None:
        """The shard that stores the key; `None` if no shard owns its slot.

        With the script, the name of the key's log decides.
        """
        state = self._state
        shard = state.of_key(key)
        if shard is None:
            return None
        name = shard.backend.dialect.stored_name(key)
        return shard if name is key else state.of_key(name)

    def of_slot(self, slot: int) -> Shard | None:
        """The shard that owns a slot; `None` if none does."""
        state = self._state
        return state.at(state.owners.of_slot(slot))

    def get(self, address: str) -> Shard | None:
        """The shard of an address, also one that owns no slots yet."""
        return self._state.by_address.get(address)

    def owners(self) -> list[Shard]:
        """The shards that own slots, by address."""
        state = self._state
        return [state.by_address[address] for address in sorted(state.owners.addresses())]

    def lost_without_slots(self) -> list[Shard]:
        """The shards that are lost and own no slots, but commands are redirected to them."""
        owners = self._state.owners.addresses()
        known = self._state.by_address.copy()
        return [known[address] for address in sorted(known) if address not in owners and known[address].is_lost]

    def redirected(self, redirect: Redirect) -> tuple[Shard, bool]:
        """The shard that a node names instead of itself, and whether the slot's owner was another one.

        A new shard counts as available: checks of the slot must not wait for its first probe.
        """
        state = self._state
        shard = self._get_or_create(state, redirect.address)
        shard.redirected_at = monotonic()
        if not shard.is_available and not shard.is_lost:
            shard.breaker.record_recovery()
        is_moved = not redirect.is_ask and state.owners.set_owner(redirect.slot, redirect.address)
        return shard, is_moved

    def add(self, topology: Topology) -> list[Shard]:
        """Creates the shards of the topology that are new. They own no slots until `install`. Returns all of it."""
        addresses = dict.fromkeys(address for _, _, address in topology.ranges)
        return [self._get_or_create(self._state, address) for address in addresses]

    def install(self, topology: Topology) -> tuple[bool, dict[Shard, list[int]]]:
        """Makes the nodes of the topology the owners of their slots, and drops the others.

        A shard without slots to which a slot is moving stays, so that it is known if it is lost. Returns whether a slot
        has another owner now, and the dropped shards with the slots that they had.
        """
        before = self._state
        owners = ShardMap(topology.ranges)
        by_address = {address: self._get_or_create(before, address) for address in owners.addresses()}
        had_slots = before.owners.addresses()
        since = monotonic() - REDIRECT_SECONDS
        for address, shard in before.by_address.copy().items():
            # A shard that leaves is healthy, unless nodes have not noticed yet that it is lost.
            if shard.redirected_at >= since and (shard.is_lost or address not in had_slots):
                by_address.setdefault(address, shard)
        self._state = _State(owners, by_address)
        self.version += 1
        dropped = {
            shard: before.owners.slots_of(address)
            for address, shard in before.by_address.items()
            if address not in by_address
        }
        return not owners.has_same_owners(before.owners), dropped

    def _get_or_create(self, state: _State, address: str) -> Shard:
        shard = state.by_address.get(address)
        return state.by_address.setdefault(address, self._create(address)) if shard is None else shard
