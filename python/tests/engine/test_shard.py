"""One shard of a cluster."""

from __future__ import annotations

from redis.exceptions import ConnectionError as Lost
from redis.exceptions import MovedError

from ratelog._core import LocalLimiter
from ratelog.engine.node_command import NodeFailure
from ratelog.engine.operation import run
from ratelog.events import ServerRecovered, ServerUnavailable
from support.fake_cluster import OF_A, FakeCluster


def test_shards_share_the_state_of_this_process() -> None:
    cluster = FakeCluster(deny_cache=9, enabled=False)
    engine = cluster.engine
    for shard in engine.shards.owners():
        assert shard.enabled
        assert (shard.local, shard.fallback, shard.policies) == (engine.local, engine.fallback, engine.policies)
        assert (shard.deny_cache, shard.problems) == (engine.deny_cache, engine.problems)
    engine.replace_local(LocalLimiter())
    assert all(shard.local is engine.local for shard in engine.shards.owners())


def test_a_node_that_does_not_own_the_slot_of_the_probe_is_available() -> None:
    cluster = FakeCluster()
    shard = cluster.engine.shards.owners()[0]
    shard.breaker.record_failure("gone", True)
    assert (shard.is_available, shard.is_lost) == (False, True)
    assert run(shard.probe(), lambda _: [MovedError("1 b:2")])
    assert (shard.is_available, shard.is_lost, shard.backend.has_module) == (True, False, True)


def test_the_loss_of_a_shard_puts_the_topology_in_doubt() -> None:
    cluster = FakeCluster()
    shard = cluster.engine.shards.owners()[0]

    def fail(_: object) -> list[object]:
        raise Lost("gone")

    cluster.reply("a:1", "RL.RESET", NodeFailure(Lost("gone")))
    assert cluster.run(cluster.engine.reset(OF_A)) == 0
    assert cluster.engine.is_in_doubt
    assert (shard.shard_health().state, shard.shard_health().last_error) == ("open", "gone")
    cluster.refresh()
    assert not cluster.engine.is_in_doubt
    assert not run(shard.probe(), fail)
    assert cluster.engine.is_in_doubt
    assert run(shard.probe(), lambda _: [0])
    outages = [event for event in cluster.events if isinstance(event, ServerUnavailable | ServerRecovered)]
    assert [(type(event), event.server) for event in outages] == [
        (ServerUnavailable, "a:1"),
        (ServerRecovered, "a:1"),
    ]
