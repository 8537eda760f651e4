"""A cluster: each check goes to the shard of its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from ratelog import Limits, NoPolicyError, RateLimiter
from support.cluster import Cluster

if TYPE_CHECKING:
    from support.types import Open, Start

KEYS = [f"user:{number}" for number in range(12)]


@pytest.fixture
def cluster(start: Start) -> Cluster:
    return Cluster(start)


@pytest.mark.parametrize("backend", ["module", "script"])
async def test_keys_of_all_shards_are_checked(cluster: Cluster, open_limiter: Open, backend: str) -> None:
    limiter = open_limiter(cluster.url, backend=backend)
    for remaining in (1, 0):
        decisions = [await limiter.check(key, "2/minute") for key in KEYS]
        assert [(decision.allowed, decision.remaining) for decision in decisions] == [(True, remaining)] * 12
    assert not any([await limiter.check(key, "2/minute") for key in KEYS])
    assert limiter.health().backend == backend
    assert sum(node.db().dbsize() > 0 for node in cluster.nodes) >= 2


@pytest.mark.parametrize("backend", ["module", "script"])
async def test_keys_of_several_slots_are_checked_all_or_nothing(
    cluster: Cluster, open_limiter: Open, backend: str
) -> None:
    limiter = open_limiter(cluster.url, backend=backend)
    rules = [(key, "1/minute" if key == KEYS[-1] else "5/minute") for key in KEYS]
    assert all(await limiter.mcheck(rules))
    decisions = await limiter.mcheck(rules)
    assert [decision.allowed for decision in decisions] == [True] * 11 + [False]
    assert {decision.remaining for decision in decisions[:-1]} == {4}
    # What the others recorded was taken back.
    assert {(await limiter.peek(key, "5/minute")).remaining for key in KEYS[:-1]} == {4}


async def test_keys_of_one_slot_are_one_command(cluster: Cluster, open_limiter: Open) -> None:
    limiter = open_limiter(cluster.url)
    assert all(await limiter.mcheck([("{t}:a", "5/minute"), ("{t}:b", "5/minute")]))
    commands = [node.db().info("commandstats") for node in cluster.nodes]
    calls = [stats["calls"] for info in commands for name, stats in info.items() if name.lower() == "cmdstat_rl.mcheck"]
    assert calls == [1]


async def test_a_policy_is_learnt_from_any_shard(cluster: Cluster, open_limiter: Open) -> None:
    for node in cluster.nodes:
        node.db().execute_command("RL.POLICY", "SET", "api", 3, "1m")
    limiter = open_limiter(cluster.url)
    assert (await limiter.check("user:1", Limits.of_policy("api"))).limit == 3
    with pytest.raises(NoPolicyError, match="no policy named 'other'"):
        await limiter.check("user:1", Limits.of_policy("other"))
    for node in cluster.nodes:
        node.kill()
    decision = await limiter.check("user:1", Limits.of_policy("api"))
    assert (decision.source, decision.limit) == ("local", 3)


async def test_a_client_of_a_cluster_can_be_handed_in(cluster: Cluster) -> None:
    client = redis.asyncio.RedisCluster(port=cluster.nodes[0].port, host="127.0.0.1")
    async with RateLimiter(client=client) as limiter:
        assert [(await limiter.check(key, "2/minute")).remaining for key in KEYS] == [1] * 12
    assert await client.ping()
    await client.aclose()
