"""A limiter of a cluster whose slots get other owners."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ratelog import ServerRecovered, ServerUnavailable
from support.cluster import PARTIAL, Cluster
from support.load import Load
from support.shards import TIMEOUT, until_whole, url
from support.wait import until

if TYPE_CHECKING:
    import pytest

    from ratelog import Event
    from support.server import Server
    from support.types import Open, Start


async def test_a_replica_takes_over_for_a_stopped_primary(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = Cluster(start, 3, PARTIAL, replicas=True)
    keys = cluster.key_of_each()
    events: list[Event] = []
    limiter = open_limiter(
        url(cluster.nodes[0]), timeout=TIMEOUT, connect_timeout=TIMEOUT, hooks=[events.append], prefix=""
    )
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
    # The outage has ended, although the server that was lost is no shard any more.
    outages = [event for event in events if isinstance(event, ServerUnavailable | ServerRecovered)]
    assert [(type(event), event.server) for event in outages] == [
        (ServerUnavailable, f"127.0.0.1:{old.port}"),
        (ServerRecovered, f"127.0.0.1:{old.port}"),
    ]
    logged = [record.message.split()[0] for record in caplog.records if record.name == "ratelog"]
    assert [name for name in logged if name.startswith("server")] == ["server_unavailable", "server_recovered"]


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


async def test_keys_of_a_slot_that_moves_are_checked_one_by_one(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    tag = cluster.key_of_each()[0]
    limiter = open_limiter(url(cluster.nodes[0]), timeout=30.0)
    present, absent = (f"{{{tag}}}{number}" for number in range(2))
    assert await limiter.source(present) == "module"
    # The old owner has one of the keys, so neither node can decide both at once.
    cluster.begin_migration(tag, 1)
    decisions = await limiter.mcheck([(present, "9/minute"), (absent, "9/minute")])
    assert [(d.source, d.remaining) for d in decisions] == [("module", 7), ("module", 8)]
    cluster.migrate(tag, 1)
    assert [cluster.nodes[1].units(key) for key in (present, absent)] == [2, 1]
    assert (limiter.health().opened, limiter.health().unanswered) == (0, 0)


async def test_a_new_shard_is_found_by_a_redirect_and_an_empty_one_is_dropped(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    keys = cluster.key_of_each()
    # Otherwise a primary that loses its last slot becomes a replica, perhaps before the loop of `assign` reaches it.
    settings = ("cluster-enabled yes", "cluster-node-timeout 2000", "cluster-allow-replica-migration no")
    new = start(*settings)
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
    health = limiter.health()
    assert (health.state, health.unanswered) == ("closed", 2)
    assert "hash slot" in (health.last_error or "")
    cluster.assign(keys[1], cluster.nodes[1])
    await until_whole(limiter, keys)
