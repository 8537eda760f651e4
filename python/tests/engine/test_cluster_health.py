"""The health of a cluster."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from ratelog import Health, ShardHealth
from ratelog.engine.cluster_health import health_of_cluster

NOW = datetime.now(timezone.utc)
LATER = NOW + timedelta(seconds=1)
OWN = Health("open", NOW, "module", "local", "not found", 1, False, 0, 0, 0, 2, ())
SHARD = ShardHealth("a:1", "closed", NOW, "module", None, 2, True, 3)


def test_without_shards_it_is_that_of_the_search_for_the_nodes() -> None:
    assert health_of_cluster(OWN, []) is OWN


def test_all_shards_are_available() -> None:
    later = replace(SHARD, address="b:2", since=LATER, backend="script", last_error="gone", opened=1)
    health = health_of_cluster(OWN, [SHARD, later])
    assert (health.state, health.since, health.last_error) == ("closed", LATER, "gone")
    assert (health.backend, health.tracking) == ("script", True)
    assert (health.opened, health.unanswered) == (4, 8)
    assert health.shards == (SHARD, later)


def test_an_error_is_shown_although_another_shard_recovered_later() -> None:
    failed, later = replace(SHARD, last_error="gone"), replace(SHARD, address="b:2", since=LATER)
    assert health_of_cluster(OWN, [failed, later]).last_error == "gone"
    assert health_of_cluster(OWN, [later]).last_error == "not found"


def test_the_first_shard_that_was_lost_is_shown() -> None:
    first = replace(SHARD, state="half-open", last_error="first", tracking=False)
    health = health_of_cluster(OWN, [replace(first, state="open", since=LATER, last_error="second"), first, SHARD])
    assert (health.state, health.since, health.last_error) == ("half-open", NOW, "first")
    assert (health.backend, health.tracking) == ("module", False)
