"""The engine of a cluster whose topology changes."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import MovedError

from ratelog import UnavailableError
from ratelog.engine.node_command import ALL_PRIMARIES, ONE_PRIMARY, NodeCommand, NodeFailure
from ratelog.engine.redirect import NO_OWNER
from ratelog.events import ServerRecovered, ServerUnavailable
from support.fake_cluster import BOTH, DENIED, GONE, OF_A, OF_B, RULES, SLOTS, FakeCluster

ALL = NodeCommand("RL.STATS", nodes=ALL_PRIMARIES)
ONE = NodeCommand("RL.POLICY", "LIST", nodes=ONE_PRIMARY)


def test_the_reason_for_a_slot_without_an_owner_is_named() -> None:
    cluster = FakeCluster()
    cluster.install(SLOTS[:1])
    with pytest.raises(UnavailableError, match="unavailable: no node of the cluster owns the key's hash slot"):
        cluster.run(cluster.engine.execute_module_command("RL.INSPECT", ("RL.INSPECT", OF_B)))


def test_keys_without_a_shard_have_no_server() -> None:
    cluster = FakeCluster(is_known=False)
    engine = cluster.engine
    assert cluster.check(*BOTH) == [("local", True, 8)] * 2
    assert engine.is_in_doubt
    assert (cluster.run(engine.refund(OF_A, 1)), cluster.run(engine.reset(OF_B))) == (1, 1)
    assert cluster.run(engine.find_problems([RULES], "p")) == []
    with pytest.raises(UnavailableError, match="the server is unavailable: not connected yet"):
        cluster.run(engine.reset_keys("p"))
    for command in (("RL.INSPECT", "k"), ALL, ONE):
        with pytest.raises(UnavailableError, match="not connected yet"):
            cluster.run(engine.execute_module_command("RL", command))
    assert cluster.sent == []


def test_units_without_a_shard_are_taken_back_locally() -> None:
    cluster = FakeCluster(is_known=False)
    (decision,) = cluster.run(cluster.engine.check(BOTH[:1]))
    assert decision is not None
    cluster.run(cluster.engine.take_back([(BOTH[0], decision)]))
    assert cluster.check(BOTH[0], record=False) == [("local", True, 9)]


def test_the_search_for_the_nodes_is_reported_until_one_replies() -> None:
    cluster = FakeCluster(is_known=False)
    for _ in range(2):
        cluster.reply("a:1", "CLUSTER", GONE)
        assert not cluster.refresh()
    health = cluster.engine.health()
    assert (health.state, health.last_error, health.shards) == ("open", "gone", ())
    cluster.reply("a:1", "CLUSTER", [])
    assert not cluster.refresh()
    assert cluster.engine.health().last_error == "node a:1 knows no node with hash slots"
    assert cluster.refresh()
    assert cluster.outages() == [(ServerUnavailable, "a:1"), (ServerRecovered, "a:1")]


def test_cached_denials_end_when_slots_move() -> None:
    cluster = FakeCluster(deny_cache=9)
    cluster.reply("b:2", "RL.CHECK", DENIED, DENIED)
    cluster.check(BOTH[1])
    assert cluster.refresh()
    assert cluster.check(BOTH[1]) == [("deny-cache", False, 0)]
    cluster.install([[0, 16_383, [b"a", 1]]])
    assert cluster.check(BOTH[1]) == [("module", True, 8)]


def test_the_counts_of_a_shard_that_has_left_stay() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", NodeFailure(asyncio.TimeoutError("late")), GONE)
    for _ in range(2):
        cluster.check(*BOTH)
    before = cluster.engine.health()
    cluster.install([[0, 16_383, [b"a", 1]]])
    after = cluster.engine.health()
    assert (before.opened, before.unanswered) == (after.opened, after.unanswered) == (1, 1)
    assert len(after.shards) == 1


def test_checks_of_a_slot_without_an_owner_are_counted() -> None:
    cluster = FakeCluster(is_known=False)
    cluster.reply("a:1", "CLUSTER", GONE)
    assert not cluster.refresh()
    assert cluster.refresh()
    assert cluster.engine.health().last_error == "gone"
    for shard in cluster.engine.shards.owners():
        shard.breaker.record_recovery()
    cluster.install(SLOTS[:1])
    assert cluster.check(*BOTH) == [("module", True, 8), ("local", True, 8)]
    health = cluster.engine.health()
    assert (health.unanswered, health.last_error, health.state) == (1, NO_OWNER, "closed")
    # An earlier outage says more, and the checks of a disabled limiter need no server.
    cluster.engine.shards.owners()[0].breaker.record_failure("gone", True)
    cluster.engine.enabled = False
    cluster.check(*BOTH)
    health = cluster.engine.health()
    assert (health.unanswered, health.last_error) == (1, "gone")


def test_the_outage_of_a_shard_ends_when_other_nodes_serve_its_slots() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", GONE)
    cluster.check(*BOTH)
    cluster.install([[0, 8_191, [b"a", 1]], [8_192, 16_383, [b"c", 3]]])
    assert cluster.outages() == [(ServerUnavailable, "b:2")]
    # A redirect says that its new owner is available.
    cluster.reply("a:1", "RL.CHECK", MovedError("12182 c:3"))
    cluster.check(BOTH[0])
    assert cluster.refresh()
    assert cluster.outages() == [(ServerUnavailable, "b:2"), (ServerRecovered, "b:2")]
    assert cluster.engine.health().state == "closed"
