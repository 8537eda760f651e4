"""The shards of a cluster, and their slots."""

from __future__ import annotations

from ratelog.engine.redirect import Redirect
from ratelog.engine.shards import REDIRECT_SECONDS
from ratelog.engine.topology import Topology
from support.fake_cluster import OF_A, OF_B, SLOT_OF_B, SLOTS, FakeCluster


def addresses(cluster: FakeCluster) -> list[str]:
    return [shard.address for shard in cluster.engine.shards.owners()]


def test_a_key_belongs_to_the_shard_that_owns_its_slot() -> None:
    shards = FakeCluster().engine.shards
    assert [getattr(shards.of_key(key), "address", None) for key in (OF_A, OF_B)] == ["a:1", "b:2"]
    assert shards.of_key(OF_A) is shards.get("a:1")
    assert (len(shards), shards.get("c:3")) == (2, None)
    assert FakeCluster(is_known=False).engine.shards.of_key(OF_A) is None


def test_a_redirect_for_the_slot_changes_its_owner_and_one_for_a_command_does_not() -> None:
    cluster = FakeCluster()
    shards = cluster.engine.shards
    asked, is_moved = shards.redirected(Redirect(SLOT_OF_B, "d:4", is_ask=True))
    assert (asked.address, is_moved, addresses(cluster)) == ("d:4", False, ["a:1", "b:2"])
    moved, is_moved = shards.redirected(Redirect(SLOT_OF_B, "d:4", is_ask=False))
    assert (moved is asked, is_moved, addresses(cluster)) == (True, True, ["a:1", "b:2", "d:4"])
    assert shards.of_key(OF_B) is moved
    assert shards.redirected(Redirect(SLOT_OF_B, "d:4", is_ask=False)) == (moved, False)


def test_a_new_topology_keeps_the_shards_that_it_has_and_drops_the_others() -> None:
    cluster = FakeCluster()
    shards = cluster.engine.shards
    a, b = shards.owners()
    assert shards.install(Topology.from_reply(SLOTS, "a:1")) == (False, {})
    topology = Topology.from_reply([[0, 8_191, [b"a", 1]], [8_192, 16_383, [b"c", 3]]], "a:1")
    kept, new = shards.add(topology)
    assert (kept is a, new.address, addresses(cluster)) == (True, "c:3", ["a:1", "b:2"])
    assert shards.install(topology) == (True, {b: list(range(8_192, 16_384))})
    assert shards.owners() == [a, new]
    assert shards.get("b:2") is None


def test_a_shard_without_slots_is_remembered_while_commands_are_redirected_to_it() -> None:
    cluster = FakeCluster()
    shards = cluster.engine.shards
    importing, _ = shards.redirected(Redirect(SLOT_OF_B, "d:4", is_ask=True))
    importing.breaker.record_failure("gone", True)
    version = shards.version
    cluster.refresh()
    assert (shards.get("d:4"), len(shards)) == (importing, 2)
    assert shards.version != version
    # It is still known to be lost.
    again, _ = shards.redirected(Redirect(SLOT_OF_B, "d:4", is_ask=True))
    assert again.is_lost
    assert [shard.address for shard in shards.lost_without_slots()] == ["d:4"]
    assert [shard.address for shard in cluster.engine.health().shards] == ["a:1", "b:2", "d:4"]
    importing.redirected_at -= REDIRECT_SECONDS + 1
    cluster.refresh()
    assert shards.get("d:4") is None


def test_a_lost_shard_that_leaves_is_remembered_while_commands_are_redirected_to_it() -> None:
    cluster = FakeCluster()
    shards = cluster.engine.shards
    a, b = shards.owners()
    for shard in (a, b):
        shards.redirected(Redirect(SLOT_OF_B, shard.address, is_ask=True))
    b.breaker.record_failure("gone", True)
    # Other nodes own all slots now.
    assert shards.install(Topology.from_reply([[0, 16_383, [b"c", 3]]], "c:3")) == (True, {a: list(range(8_192))})
    assert (shards.get("a:1"), shards.get("b:2")) == (None, b)
    b.redirected_at -= REDIRECT_SECONDS + 1
    assert shards.install(Topology.from_reply([[0, 16_383, [b"c", 3]]], "c:3")) == (False, {b: []})
