"""The module's commands, sent to the nodes of a cluster."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from ratelog import UnavailableError
from ratelog.engine.node_command import ALL_PRIMARIES, ONE_PRIMARY, NodeCommand
from support.fake_cluster import GONE, OF_A, OF_B, FakeCluster

ALL = NodeCommand("RL.STATS", nodes=ALL_PRIMARIES)
ONE = NodeCommand("RL.POLICY", "LIST", nodes=ONE_PRIMARY)


def test_a_command_for_one_primary_is_sent_to_the_first_that_is_available() -> None:
    cluster = FakeCluster()
    engine = cluster.engine
    cluster.run(engine.execute_module_command("RL.POLICY", ONE))
    cluster.reply("a:1", "RL.RESET", GONE)
    cluster.run(engine.reset(OF_A))
    cluster.run(engine.execute_module_command("RL.POLICY", ONE))
    cluster.reply("b:2", "RL.RESET", GONE)
    cluster.run(engine.reset(OF_B))
    with pytest.raises(UnavailableError, match="gone"):
        cluster.run(engine.execute_module_command("RL.POLICY", ONE))
    assert [name for name in cluster.names() if "POLICY" in name] == ["a:1 RL.POLICY", "b:2 RL.POLICY"]


def test_a_command_for_all_primaries_fails_if_one_does_not_reply() -> None:
    cluster = FakeCluster()
    assert cluster.run(cluster.engine.execute_module_command("RL.STATS", ALL)) == {"a:1": 1, "b:2": 1}
    cluster.reply("b:2", "RL.STATS", GONE)
    with pytest.raises(UnavailableError, match="the server is unavailable: gone"):
        cluster.run(cluster.engine.execute_module_command("RL.STATS", ALL))


def test_a_command_for_a_node_that_has_left_is_an_error() -> None:
    cluster = FakeCluster()
    cluster.run(cluster.engine.execute_module_command("RL.TOP", NodeCommand("RL.TOP", nodes="b:2")))
    assert cluster.names() == ["b:2 RL.TOP"]
    with pytest.raises(ResponseError, match="node d:4 has left the cluster: begin the list again"):
        cluster.run(cluster.engine.execute_module_command("RL.TOP", NodeCommand("RL.TOP", nodes="d:4")))


def test_a_key_may_be_text_and_follow_a_subcommand() -> None:
    cluster = FakeCluster()
    cluster.run(cluster.engine.execute_module_command("RL.INSPECT", ("RL.INSPECT", OF_B.decode())))
    cluster.run(cluster.engine.execute_module_command("an override", ("RL.OVERRIDE", "GET", OF_B), OF_B))
    assert cluster.names() == ["b:2 RL.INSPECT", "b:2 RL.OVERRIDE"]
