"""A limiter of a cluster whose shards are lost one by one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import Limits, ServerRecovered, ServerUnavailable
from support.cluster import PARTIAL, Cluster, slots_of
from support.driver import Driver
from support.proxy import Proxy
from support.shards import TIMEOUT, shard, until_decided_by, until_whole, url
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog import Event
    from support.types import Open, Start

THRESHOLD = 5
"""The default of the setting `failure_threshold`."""


async def assert_only_one_is_lost(limiter: Driver, keys: Sequence[str], lost: int, port: int) -> None:
    """Checks of the other shards stay at the server. Those of the lost one fail over after at most five timeouts."""
    for turn in range(50):
        sources = [await limiter.source(key) for key in keys]
        assert sources == ["local" if index == lost else "module" for index in range(len(keys))], turn
    health = limiter.health()
    away = shard(health, port)
    assert (away.opened, away.state != "closed", bool(away.last_error)) == (1, True, True)
    assert away.unanswered < THRESHOLD
    assert (health.state != "closed", health.opened, health.last_error) == (True, 1, away.last_error)
    present = [shard for shard in health.shards if shard is not away]
    assert [(shard.state, shard.opened, shard.unanswered) for shard in present] == [("closed", 0, 0)] * 2


async def test_a_killed_shard_is_decided_locally_and_the_others_by_the_server(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    events: list[Event] = []
    limiter = open_limiter(url(cluster.nodes[0]), timeout=TIMEOUT, hooks=[events.append])
    await until_whole(limiter, keys)
    for lost, node in enumerate(cluster.nodes[:2]):
        before = limiter.health().opened
        node.kill()
        await until_decided_by(limiter, keys[lost], "local")
        if lost == 0:
            await assert_only_one_is_lost(limiter, keys, lost, node.port)
        node.restart()
        await until_whole(limiter, keys)
        await until("the shard has recovered", lambda: limiter.health().state == "closed")
        assert limiter.health().opened == before + 1
    servers = [event.server for event in events if isinstance(event, ServerUnavailable)]
    assert servers == [f"127.0.0.1:{node.port}" for node in cluster.nodes[:2]]
    assert servers == [event.server for event in events if isinstance(event, ServerRecovered)]


async def test_a_stopped_shard_costs_at_most_five_timeouts(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    limiter = open_limiter(url(cluster.nodes[1]), timeout=TIMEOUT)
    await until_whole(limiter, keys)
    cluster.nodes[1].pause()
    await assert_only_one_is_lost(limiter, keys, 1, cluster.nodes[1].port)
    cluster.nodes[1].resume()
    await until_whole(limiter, keys)


async def test_callers_of_a_stopped_shard_do_not_delay_the_others(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    # Checks of the stopped shard wait until the test ends.
    limiter = open_limiter(cluster.url, timeout=120.0, connect_timeout=120.0)
    await until_whole(limiter, keys)
    cluster.nodes[2].pause()
    waiting = [asyncio.ensure_future(limiter.check(keys[2], "100/minute")) for _ in range(3)]
    for _ in range(20):
        assert [await limiter.source(key) for key in keys[:2]] == ["module", "module"]
    assert not any(check.done() for check in waiting)
    cluster.nodes[2].resume()
    assert {decision.source for decision in await asyncio.gather(*waiting)} == {"module"}


async def test_a_partition_hides_one_shard(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    with contextlib.ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(node.port)) for node in cluster.nodes]
        for node, proxy in zip(cluster.nodes, proxies, strict=True):
            node.db().config_set("cluster-announce-port", proxy.port)
        ports = {proxy.port for proxy in proxies}
        await until(
            "all nodes name the proxies",
            lambda: all({row[2][1] for row in slots_of(node.db())} == ports for node in cluster.nodes),
        )
        limiter = open_limiter(f"redis+cluster://127.0.0.1:{proxies[0].port}", timeout=TIMEOUT, connect_timeout=TIMEOUT)
        await until_whole(limiter, keys)
        proxies[0].is_whole.clear()
        await assert_only_one_is_lost(limiter, keys, 0, proxies[0].port)
        proxies[0].is_whole.set()
        await until_whole(limiter, keys)
        await limiter.close()


async def test_all_or_none_with_a_lost_shard(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    limiter = open_limiter(url(cluster.nodes[1]), timeout=TIMEOUT)
    await until_whole(limiter, keys)
    cluster.nodes[0].kill()
    await until_decided_by(limiter, keys[0], "local")
    for key in keys:
        await limiter.reset(key)
    checks = [(key, f"{2 + index}/hour") for index, key in enumerate(keys)]
    for remaining in ([1, 2, 3], [0, 1, 2]):
        decisions = await limiter.mcheck(checks)
        assert [(d.source, d.remaining) for d in decisions] == list(
            zip(["local", "module", "module"], remaining, strict=True)
        )
    # The fallback denies, so that the servers take back what they recorded.
    decisions = await limiter.mcheck(checks)
    assert [(d.source, d.allowed, d.remaining) for d in decisions] == [
        ("local", False, 0),
        ("module", True, 1),
        ("module", True, 2),
    ]
    assert [node.units(key) for node, key in zip(cluster.nodes[1:], keys[1:], strict=True)] == [2, 2]
    # A server denies, so that the fallback takes back what it recorded.
    await limiter.reset(keys[0])
    assert [d.allowed for d in await limiter.mcheck([(keys[0], "2/hour"), (keys[1], "2/hour")])] == [True, False]
    assert (await limiter.peek(keys[0], "2/hour")).remaining == 2


async def test_only_recorded_units_are_taken_back(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    keys = cluster.key_of_each()
    limiter = open_limiter(url(cluster.nodes[0]), timeout=30.0)
    for node in cluster.nodes:
        node.db().execute_command("RL.POLICY", "SET", "watched", "SHADOW", 1, "1h")
    for key in keys[:2]:
        await limiter.check(key, "9/hour", 3)
    await limiter.set_override(keys[0], "allow")
    await limiter.set_override(keys[2], "deny")

    async def is_later() -> bool:
        return all([(await limiter.peek(key, "9/hour")).reset_after_ms < 3_600_000 for key in keys[:2]])

    # Units that were recorded in the same millisecond look like those of the next check.
    await until("the clock of each server has moved on", is_later)
    # An override and a shadow policy allow checks that record nothing, and the third shard denies.
    checks = [(keys[0], "9/hour"), (keys[1], Limits.of_policy("watched")), (keys[2], "9/hour")]
    assert [bool(decision) for decision in await limiter.mcheck(checks)] == [True, True, False]
    assert [node.units(key) for node, key in zip(cluster.nodes, keys, strict=True)] == [3, 3, 0]
    # One of the keys of a shard denies.
    first = [(f"{{{keys[1]}}}1", "9/hour"), (f"{{{keys[1]}}}2", "9/minute; 1/hour")]
    await limiter.check(first[1][0], first[1][1])
    await limiter.check(first[0][0], first[0][1])
    assert [bool(decision) for decision in await limiter.mcheck([*first, (keys[2], "9/hour")])] == [True, False, False]
    assert [cluster.nodes[1].units(key) for key, _ in first] == [1, 1]


async def test_operators_are_served_by_the_shards_that_are_left(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    limiter = open_limiter(url(cluster.nodes[1]), timeout=TIMEOUT)
    await until_whole(limiter, keys)
    first = min(range(3), key=lambda index: f"127.0.0.1:{cluster.nodes[index].port}")
    cluster.nodes[first].kill()
    await until_decided_by(limiter, keys[first], "local")
    for index, key in enumerate(keys):
        if index != first:
            await limiter.set_override(key, "deny")
            assert not await limiter.peek(key, "9/minute")
    admin: Any = limiter.limiter.admin
    outcome = admin.policies()
    assert (await outcome if asyncio.iscoroutine(outcome) else outcome) == []


async def test_a_cached_denial_is_dropped_when_its_shard_reports_a_change(start: Start) -> None:
    cluster = Cluster(start)
    limiter = Driver("async", url(cluster.nodes[0]), deny_cache=100)
    keys = cluster.key_of_each()
    await until_whole(limiter, keys)
    await until("each shard reports changes", lambda: limiter.health().tracking)
    for node, key in zip(cluster.nodes, keys, strict=True):

        async def is_cached(key: str = key) -> bool:
            return bool((await limiter.check(key, "1/hour")).source == "deny-cache")

        async def is_allowed(key: str = key) -> bool:
            return bool((await limiter.check(key, "1/hour")).allowed)

        await until("the denial is cached", is_cached)
        node.db().execute_command("RL.OVERRIDE", "SET", key, "ALLOW")
        await until("the change is known", is_allowed)
    assert all(shard.tracking for shard in limiter.health().shards)
    cluster.nodes[1].kill()
    await until("tracking has ended", lambda: not limiter.health().tracking)
    assert sum(shard.tracking for shard in limiter.health().shards) == 2
    await limiter.close()


@pytest.mark.parametrize("name", ["RedisCluster", "ValkeyCluster"])
async def test_a_shard_of_an_applications_client_is_lost(
    start: Start, flavour: Any, open_limiter: Open, name: str
) -> None:
    module: Any = __import__(name.removesuffix("Cluster").lower())
    if flavour == "async":
        module = __import__(f"{module.__name__}.asyncio").asyncio
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    client = getattr(module, name)(host="127.0.0.1", port=cluster.nodes[1].port)
    limiter = open_limiter(client=client, timeout=TIMEOUT)
    await until_whole(limiter, keys)
    cluster.nodes[1].kill()
    await until_decided_by(limiter, keys[1], "local")
    await assert_only_one_is_lost(limiter, keys, 1, cluster.nodes[1].port)
    cluster.nodes[1].restart()
    await until_whole(limiter, keys)
