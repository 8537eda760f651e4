"""A limiter of a cluster whose shards are lost one by one, and move."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import ServerRecovered, ServerUnavailable
from support.cluster import PARTIAL, Cluster, slots_of
from support.driver import Driver
from support.load import Load
from support.proxy import Proxy
from support.wait import TIME_FACTOR, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog import Event, Health, ShardHealth
    from support.server import Server
    from support.types import Open, Start

THRESHOLD = 5
"""The default of the setting `failure_threshold`."""
TIMEOUT = 1.0 * TIME_FACTOR
"""Long enough for healthy shards on a busy machine. Few checks wait for the lost one."""


def url(*nodes: Server) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def shard(health: Health, port: int) -> ShardHealth:
    return next(shard for shard in health.shards if shard.address == f"127.0.0.1:{port}")


async def until_whole(limiter: Driver, keys: Sequence[str]) -> None:
    """Waits until each shard answers checks."""
    for key in keys:
        await until_decided_by(limiter, key, "module")


async def until_decided_by(limiter: Driver, key: str, source: str) -> None:
    async def is_decided() -> bool:
        return await limiter.source(key) == source

    await until(f"{source} decides", is_decided)


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


async def test_a_replica_takes_over_for_a_stopped_primary(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL, replicas=True)
    keys = cluster.key_of_each()
    limiter = open_limiter(url(cluster.nodes[0]), timeout=TIMEOUT, connect_timeout=TIMEOUT)
    await until_whole(limiter, keys)
    old, new = cluster.nodes[0], cluster.nodes[3]
    old.pause()
    await until("the replica is the primary", lambda: cluster.owner_of(keys[0], cluster.nodes[1:]) is new)
    await until_whole(limiter, keys)
    addresses = {shard.address for shard in limiter.health().shards}
    assert addresses == {f"127.0.0.1:{node.port}" for node in cluster.nodes[1:4]}
    assert limiter.health().opened == 1
    assert new.units(keys[0]) > 0
    # The old primary follows the new one, and is no shard.
    old.resume()
    await until("it is a replica", lambda: old.db().info("replication")["role"] == "slave")
    await until_whole(limiter, keys)
    assert {shard.address for shard in limiter.health().shards} == addresses
    db = old.db()
    await until(
        "the connections to it are closed",
        lambda: not any(client["name"].startswith("ratelog") for client in db.client_list()),
    )


async def test_a_planned_failover_loses_no_check(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL, replicas=True)
    limiter = open_limiter(url(cluster.nodes[0]), timeout=30.0)
    await until_whole(limiter, cluster.key_of_each())
    async with Load(limiter, 6) as load:
        await load.until_decided_by("module")
        await asyncio.to_thread(cluster.promote, 3)
        await load.until_decided_by("module")
        await until_whole(limiter, cluster.key_of_each())
    assert set(load.decisions) == {"module"}
    assert limiter.health().unanswered == 0
    assert cluster.nodes[3].units(cluster.key_of_each()[0]) > 0


async def test_a_slot_that_moves_under_load_stays_at_the_server(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    tag = cluster.key_of_each()[0]
    limiter = open_limiter(url(cluster.nodes[2]), timeout=30.0)
    names = [f"{{{tag}}}{number}" for number in range(10)]
    counts = dict.fromkeys(names, 0)
    is_stopping = False

    async def call(name: str) -> None:
        while not is_stopping:
            decision = await limiter.check(name, "1000000/hour")
            assert decision.source == "module"
            counts[name] += 1
            await asyncio.sleep(0)

    async def is_each_served(more: int) -> None:
        goal = {name: count + more for name, count in counts.items()}
        await until(
            "each key is served",
            lambda: any(task.done() for task in tasks) or all(counts[name] >= goal[name] for name in names),
        )

    tasks = [asyncio.create_task(call(name)) for name in names]
    for to in (1, 2, 0):
        # Each key exists, so each one migrates.
        await is_each_served(2)
        await asyncio.to_thread(cluster.migrate, tag, to)
    await is_each_served(2)
    is_stopping = True
    await asyncio.gather(*tasks)
    assert {name: cluster.nodes[0].units(name) for name in names} == counts
    health = limiter.health()
    assert (health.state, health.opened, health.unanswered) == ("closed", 0, 0)


async def test_a_new_shard_is_found_by_a_redirect_and_an_empty_one_is_dropped(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    keys = cluster.key_of_each()
    new = start("cluster-enabled yes", "cluster-node-timeout 2000")
    bus = new.db().config_get("cluster-port")["cluster-port"]
    limiter = open_limiter(url(cluster.nodes[0]), timeout=30.0)
    await until_whole(limiter, keys[:2])
    cluster.nodes[0].db().execute_command("CLUSTER", "MEET", "127.0.0.1", new.port, int(bus) or new.port + 10_000)
    cluster.nodes.append(new)
    await until("the new node has joined", lambda: all(is_joined(node, 4) for node in cluster.nodes))
    cluster.assign(keys[2], new)
    assert await limiter.source(keys[2]) == "module"
    assert new.units(keys[2]) == 1
    address = f"127.0.0.1:{new.port}"
    await until("the shard is known", lambda: address in {shard.address for shard in limiter.health().shards})
    new.db().execute_command("RL.RESET", keys[2])
    cluster.assign(keys[2], cluster.nodes[2])
    assert await limiter.source(keys[2]) == "module"
    await until("the shard is dropped", lambda: address not in {shard.address for shard in limiter.health().shards})
    health = limiter.health()
    assert (health.state, health.opened, len(health.shards)) == ("closed", 0, 3)


def is_joined(node: Server, count: int) -> bool:
    info = node.db().execute_command("CLUSTER INFO")
    return int(info["cluster_known_nodes"]) == count and info["cluster_state"] == "ok"


async def test_a_cluster_that_starts_after_the_limiter_is_found(start: Start, open_limiter: Open) -> None:
    server = start("cluster-enabled yes")
    server.kill()
    events: list[Event] = []
    limiter = open_limiter(url(server), hooks=[events.append])
    assert await limiter.source() == "local"
    health = limiter.health()
    assert (health.state != "closed", health.shards, bool(health.last_error)) == (True, (), True)
    server.restart()
    await until("a node without slots replies", lambda: "hash slots" in (limiter.health().last_error or ""))
    assert await limiter.source() == "local"
    server.db().execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
    await until_whole(limiter, ["k"])
    assert [shard.address for shard in limiter.health().shards] == [f"127.0.0.1:{server.port}"]
    assert limiter.health().state == "closed"
    # The search for the nodes, and possibly the node itself while it starts.
    began = [event.server for event in events if isinstance(event, ServerUnavailable)]
    assert began[0] == f"127.0.0.1:{server.port}"
    assert began == [event.server for event in events if isinstance(event, ServerRecovered)]


async def test_a_key_without_a_shard_is_decided_locally_until_it_has_one(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    cluster.assign(keys[1], None)
    limiter = open_limiter(url(cluster.nodes[0]))
    assert [await limiter.source(key) for key in keys] == ["module", "local", "module"]
    assert [d.source for d in await limiter.mcheck([(key, "9/minute") for key in keys])] == [
        "module",
        "local",
        "module",
    ]
    cluster.assign(keys[1], cluster.nodes[1])
    await until_whole(limiter, keys)


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
