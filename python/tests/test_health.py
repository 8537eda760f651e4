"""The health of a limiter."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ratelog import Health, ShardHealth
from support.cluster import Cluster
from support.wait import until

if TYPE_CHECKING:
    from support.types import Open, Start


async def test_health_follows_the_server(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url, fallback="deny")
    before = limiter.health()
    assert (before.state, before.serving, before.last_error, before.opened) == ("open", False, None, 0)
    began = datetime.now(timezone.utc)
    await limiter.start()
    available = limiter.health()
    assert (available.state, available.backend, available.serving, available.last_error) == (
        "closed",
        "module",
        True,
        None,
    )
    assert abs((available.since - began).total_seconds()) < 60
    server.kill()
    await limiter.check("k", "1/minute")
    unavailable = limiter.health()
    assert (unavailable.state in ("open", "half-open"), unavailable.serving, unavailable.opened) == (True, False, 1)
    assert unavailable.last_error
    assert unavailable.since >= available.since
    server.restart()
    await until("the server has recovered", lambda: limiter.health().state == "closed")
    assert limiter.health().last_error is not None


async def test_health_counts_local_keys(open_limiter: Open) -> None:
    limiter = open_limiter("memory://", local_max_bytes=65_536)
    await limiter.check("k", "9/minute")
    health = limiter.health()
    assert (health.backend, health.local_keys, health.evicted, health.tracking) == ("local", 1, 0, False)
    assert 0 < health.local_bytes <= 65_536


async def test_health_is_json(open_limiter: Open) -> None:
    health = json.loads(json.dumps(open_limiter("memory://").health().as_dict()))
    assert datetime.fromisoformat(health.pop("since")).tzinfo is not None
    assert health == {
        "state": "closed",
        "backend": "local",
        "fallback": "local",
        "last_error": None,
        "opened": 0,
        "tracking": False,
        "local_keys": 0,
        "local_bytes": health["local_bytes"],
        "evicted": 0,
        "unanswered": 0,
        "problems": [],
        "shards": [],
        "serving": True,
    }


async def test_the_shards_of_a_cluster_are_json_too(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    limiter = open_limiter(cluster.url)
    assert limiter.health().shards == ()
    await limiter.start()
    shards = json.loads(json.dumps(limiter.health().as_dict()))["shards"]
    assert [shard["address"] for shard in shards] == sorted(f"127.0.0.1:{node.port}" for node in cluster.nodes)
    assert all(datetime.fromisoformat(shard.pop("since")).tzinfo is not None for shard in shards)
    expected = {"state": "closed", "backend": "module", "last_error": None, "opened": 0, "tracking": False}
    assert [{**shard, "address": ""} for shard in shards] == [{**expected, "unanswered": 0, "address": ""}] * 3


def test_requests_are_served_while_a_shard_is_available() -> None:
    now = datetime.now(timezone.utc)
    lost = ShardHealth("a:1", "open", now, "module", "gone", 1, False, 0)
    health = Health("open", now, "module", "deny", "gone", 1, False, 0, 0, 0, 0, ())
    assert not health.serving
    assert not replace(health, shards=(lost,)).serving
    assert replace(health, shards=(lost, replace(lost, state="closed"))).serving
