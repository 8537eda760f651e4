"""The search for the nodes of a cluster."""

from __future__ import annotations

from redis.exceptions import ResponseError

from support.fake_cluster import GONE, FakeCluster


def test_available_shards_are_asked_in_turn_for_the_topology() -> None:
    cluster = FakeCluster()
    for _ in range(4):
        assert cluster.refresh()
    assert sorted(cluster.names()) == ["a:1 CLUSTER"] * 2 + ["b:2 CLUSTER"] * 2


def test_all_known_nodes_are_asked_if_no_shard_knows_the_topology() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "CLUSTER", ResponseError("ERR"), GONE)
    cluster.reply("b:2", "CLUSTER", GONE, [])
    assert cluster.refresh()
    assert cluster.rounds == [1, 1, 3]
    assert cluster.names()[2:] == ["a:1 CLUSTER", "b:2 CLUSTER", "c:3 CLUSTER"]
    cluster.reply("a:1", "CLUSTER", *[GONE] * 2)
    cluster.reply("b:2", "CLUSTER", *[GONE] * 2)
    cluster.reply("c:3", "CLUSTER", GONE)
    assert not cluster.refresh()
    # The shards have breakers of their own.
    assert cluster.engine.health().state == "closed"
