"""The operations of operators in a cluster of three primaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from redis.crc import key_slot
from redis.exceptions import ResponseError

from ratelog import Limits, NeedsModuleError, Override, UnavailableError
from ratelog.engine.policies import Policy
from support.admin_driver import AdminDriver
from support.cluster import SLOTS, Cluster
from support.wait import until

if TYPE_CHECKING:
    from support.driver import Flavour
    from support.types import Open, Start


def keys_per_primary(count: int) -> list[str]:
    """`count` keys of each of three primaries."""
    shards: list[list[str]] = [[], [], []]
    number = 0
    while any(len(shard) < count for shard in shards):
        key = f"k{number}"
        shard = shards[key_slot(key.encode()) * 3 // SLOTS]
        if len(shard) < count:
            shard.append(key)
        number += 1
    return sorted(key for shard in shards for key in shard)


async def test_replies_of_all_primaries_are_merged(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    limiter = open_limiter(cluster.url)
    admin = AdminDriver(limiter)
    await admin.set_policy("login", "1/minute")
    # The policy reaches the other primaries by itself.
    await until(
        "all nodes have the policy", lambda: all(node.db().execute_command("RL.POLICY LIST") for node in cluster.nodes)
    )
    keys = keys_per_primary(3)
    for key in keys:
        for _ in range(5):
            await limiter.check(key, Limits.of_policy("login"))
        await limiter.set_override(key, "deny")
    stats = await admin.stats()
    assert (stats.checks, stats.allowed, stats.denied) == (45, 9, 36)
    assert (stats.policies["login"].checks, stats.policies["login"].denied_by_rule) == (45, (36,))
    assert sorted(top.key.decode() for top in await admin.top("checked", 20)) == keys
    assert len(await admin.top("checked", 4)) == 4
    assert sorted(override.key.decode() for override in await admin.overrides(count=1)) == keys
    for key in (keys[0], keys[-1]):
        assert (await admin.inspect(key)).units == 1
        assert len(await admin.hits(key)) == 1
        assert (await admin.explain(key, "5/minute")).decided_by == "override"


async def test_a_client_with_resp3_that_decodes_replies_can_be_used(
    start: Start, open_limiter: Open, flavour: Flavour
) -> None:
    cluster = Cluster(start)
    module: Any = redis.asyncio if flavour == "async" else redis
    client = module.RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port, protocol=3, decode_responses=True)
    limiter = open_limiter(client=client)
    admin = AdminDriver(limiter)
    await admin.set_policy("login", "1/minute")
    assert await admin.policies() == ["login"]
    keys = keys_per_primary(2)
    for key in keys:
        await limiter.check(key, "5/minute")
        await limiter.set_override(key, "deny")
    assert (await admin.stats()).checks == 6
    assert sorted(top.key.decode() for top in await admin.top("checked")) == keys
    assert sorted(override.key.decode() for override in await admin.overrides(count=1)) == keys
    assert [(await admin.inspect(key)).override for key in keys] == [Override("deny")] * 6


async def test_policies_are_read_from_the_primary_that_was_sent_the_change(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    admin = AdminDriver(open_limiter(cluster.url))
    for number in range(10):
        await admin.set_policy("login", f"{number}/minute")
        assert await admin.policy("login") == Policy("login", Limits(f"{number}/minute"))

    async def reported() -> Any:
        versions = await admin.policy_versions()
        return len(versions) == 3 and all(version.equal for version in versions) and versions

    await until("all nodes report the same policies", reported)
    versions = await reported()
    assert len({version.node for version in versions}) == 3
    assert len({version.digest for version in versions}) == 1
    assert all(version.version > 0 and version.age_ms >= 0 for version in versions)


async def test_a_page_of_a_node_that_has_left_the_cluster_is_an_error(start: Start, open_limiter: Open) -> None:
    limiter = open_limiter(Cluster(start).url)
    operations = limiter.limiter.admin._operations
    pages = operations.overrides(None, None)
    pages._is_started = True
    pages._cursors = {"192.0.2.1:1": "5"}
    run = AdminDriver(limiter)._run
    with pytest.raises(ResponseError, match=r"node 192\.0\.2\.1:1 has left the cluster: begin the list again"):
        await run(pages.next_page())
    assert limiter.health().state == "closed"


async def test_every_primary_has_to_reply(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    admin = AdminDriver(open_limiter(cluster.url))
    await admin.stats()
    cluster.nodes[2].kill()
    with pytest.raises(UnavailableError):
        await admin.stats()


async def test_an_error_of_one_primary_is_raised(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    admin = AdminDriver(open_limiter(cluster.url))
    cluster.nodes[1].db().execute_command("ACL", "SETUSER", "default", "-rl.top")
    with pytest.raises(ResponseError, match=r"rl\.top"):
        await admin.top("denied")


async def test_a_cluster_without_the_module_has_no_operations(start: Start, open_limiter: Open) -> None:
    admin = AdminDriver(open_limiter(Cluster(start, module=False).url, backend="module"))
    for operation in (admin.stats(), admin.policies(), admin.overrides(), admin.inspect("k"), admin.hits("k")):
        with pytest.raises(NeedsModuleError):
            await operation
