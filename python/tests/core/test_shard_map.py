from __future__ import annotations

import pytest

from ratelog._core import ShardMap, hash_slot


def two() -> ShardMap:
    return ShardMap([(0, 5_000, "a:1"), (5_001, 8_191, "a:1"), (8_192, 16_383, "b:2")])


@pytest.mark.parametrize(("key", "slot"), [("foo", 12_182), (b"bar", 5_061), (b"{foo}bar", 12_182), ("", 0)])
def test_slots_are_those_of_the_servers(key: str | bytes, slot: int) -> None:
    assert hash_slot(key) == slot


def test_a_key_belongs_to_the_owner_of_its_slot() -> None:
    assert [two().of_key(key) for key in (b"foo", "bar", "a{foo}b")] == ["b:2", "a:1", "b:2"]
    assert two().addresses() == ["a:1", "b:2"]
    assert (ShardMap().of_key("foo"), ShardMap().addresses()) == (None, [])


def test_the_slots_of_a_node_are_known() -> None:
    shards = two()
    shards.set_owner(16_383, "a:1")
    assert shards.slots_of("b:2") == list(range(8_192, 16_383))
    assert [shards.of_slot(slot) for slot in (0, 16_382, 16_383, 16_384)] == ["a:1", "b:2", "a:1", None]
    assert shards.slots_of("c:3") == ShardMap().slots_of("a:1") == []


def test_a_slot_moves_alone() -> None:
    shards = two()
    assert (shards.set_owner(12_182, "c:3"), shards.set_owner(12_182, "c:3")) == (True, False)
    assert not shards.set_owner(16_384, "c:3")
    assert [shards.of_key(key) for key in ("foo", "bar")] == ["c:3", "a:1"]
    assert shards.addresses() == ["a:1", "b:2", "c:3"]


def test_maps_are_compared_by_the_owners() -> None:
    shards = two()
    assert shards.has_same_owners(shards)
    assert shards.has_same_owners(ShardMap([(8_192, 16_383, "b:2"), (0, 8_191, "a:1")]))
    assert not shards.has_same_owners(ShardMap())
