"""One shard of a cluster."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import MovedError

from ratelog._core import LocalLimiter
from ratelog.engine.commands import ScriptDialect
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
    assert cluster.outages() == [(ServerUnavailable, "a:1"), (ServerRecovered, "a:1")]


def test_a_shard_that_recovers_puts_the_topology_in_doubt() -> None:
    cluster = FakeCluster()
    shard = cluster.engine.shards.owners()[0]
    assert run(shard.probe(), lambda _: [0])
    assert not cluster.engine.is_in_doubt
    shard.record_failure(Lost("gone"))
    cluster.refresh()
    # It may be a replica by now.
    assert run(shard.probe(), lambda _: [0])
    assert cluster.engine.is_in_doubt


@pytest.mark.parametrize("reply", [0, Lost("gone")])
def test_a_shard_that_has_left_reports_the_end_of_its_outage_only(reply: object) -> None:
    cluster = FakeCluster()
    shard, other = cluster.engine.shards.owners()
    shard.record_failure(Lost("gone"))
    assert (shard.leave(), other.leave()) == (True, False)
    cluster.refresh()
    run(shard.probe(), lambda _: [reply])
    assert cluster.engine.is_in_doubt is isinstance(reply, Lost)
    run(other.probe(), lambda _: [Lost("gone")])
    assert cluster.outages() == [(ServerUnavailable, "a:1")]
    other.backend.dialect = ScriptDialect(other.policies)
    shard.report_replaced([other])
    assert cluster.outages()[1:] == [(ServerRecovered, "a:1")]
    assert isinstance(event := cluster.events[-1], ServerRecovered)
    assert (event.backend, event.downtime >= 0.0) == ("script", True)
