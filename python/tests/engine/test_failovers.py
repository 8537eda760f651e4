"""The outages of shards whose slots other nodes took over."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as Lost

from ratelog.events import ServerRecovered, ServerUnavailable
from support.fake_cluster import BOTH, GONE, FakeCluster

LOST, RECOVERED = (ServerUnavailable, "b:2"), (ServerRecovered, "b:2")
A: list[Any] = [0, 8_191, [b"a", 1]]


def lose_b(slots: list[Any]) -> FakeCluster:
    """A cluster with these slots after the second shard was lost."""
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", GONE)
    cluster.check(*BOTH)
    cluster.install(slots)
    return cluster


def recover(cluster: FakeCluster, address: str) -> None:
    shard = cluster.engine.shards.get(address)
    assert shard is not None
    shard.breaker.record_recovery()


@pytest.mark.parametrize("slots", [[[0, 16_383, [b"a", 1]]], [A, [8_192, 16_383, [b"a", 1]]]])
def test_an_outage_ends_if_the_new_owner_is_available(slots: list[Any]) -> None:
    assert lose_b(slots).outages() == [LOST, RECOVERED]


def test_an_outage_ends_when_each_new_owner_is_available() -> None:
    cluster = lose_b([A, [8_192, 9_999, [b"c", 3]], [10_000, 16_383, [b"d", 4]]])
    for address in ("c:3", "d:4"):
        assert cluster.refresh()
        assert cluster.outages() == [LOST]
        recover(cluster, address)
    for _ in range(2):
        assert cluster.refresh()
        assert cluster.outages() == [LOST, RECOVERED]


def test_an_outage_lasts_while_a_slot_has_no_owner() -> None:
    cluster = lose_b([A, [8_192, 16_382, [b"a", 1]]])
    assert cluster.outages() == [LOST]
    cluster.install([A, [8_192, 16_383, [b"a", 1]]])
    assert cluster.outages() == [LOST, RECOVERED]


def test_a_lost_shard_that_returns_to_its_slots_ends_the_outage() -> None:
    cluster = lose_b([A])
    cluster.install([A, [8_192, 16_383, [b"b", 2]]])
    assert cluster.outages() == [LOST]
    recover(cluster, "b:2")
    assert cluster.refresh()
    assert cluster.outages() == [LOST, RECOVERED]


def test_a_shard_that_keeps_slots_is_not_replaced() -> None:
    cluster = lose_b([A, [8_192, 9_999, [b"b", 2]], [10_000, 16_383, [b"a", 1]]])
    assert cluster.outages() == [LOST]


def test_a_shard_without_slots_that_was_not_lost_has_no_outage() -> None:
    cluster = FakeCluster()
    left = cluster.engine.shards.owners()[1]
    cluster.install([[0, 16_383, [b"a", 1]]])
    left.record_failure(Lost("closed"))
    assert cluster.outages() == []
