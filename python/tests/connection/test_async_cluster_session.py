"""A limiter with a cluster."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest
from redis.crc import key_slot
from redis.exceptions import ResponseError

from ratelog import Decision, Limits, NoPolicyError, RateLimiter, UnavailableError
from support.cluster import SLOTS, Cluster, keys_of_one_slot
from support.driver import Driver
from support.load import Load
from support.server import free_port
from support.wait import until

if TYPE_CHECKING:
    from support.types import Open, Start


async def test_keys_are_stored_on_the_nodes_of_their_slots(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    limiter = open_limiter(cluster.url)
    names = [f"k:{n}" for n in range(30)]
    decisions = await asyncio.gather(*[limiter.check(name, "9/minute", 2) for name in names])
    assert {(d.remaining, d.source) for d in decisions} == {(7, "module")}
    assert cluster.keys() == sorted(name.encode() for name in names)
    assert await limiter.refund("k:1") == 1
    assert await limiter.reset("k:1") == 1
    await limiter.set_override("k:1", "deny")
    assert not await limiter.peek("k:1", "9/minute")
    with pytest.raises(NoPolicyError):
        await limiter.check("k:2", Limits.of_policy("gold"))
    for node in cluster.nodes:
        node.db().execute_command("RL.POLICY", "SET", "gold", 5, "1m")
    assert (await limiter.check("k:2", Limits.of_policy("gold"))).limit == 5
    with pytest.raises(ResponseError, match="limit '1000001'"):
        await limiter.check("k:3", "1000001/minute")

    # Keys in one slot are one command; keys in several slots are all or none, too.
    one_slot = await limiter.mcheck([("{a}x", "5/minute"), ("{a}y", "1/minute")])
    assert [d.remaining for d in one_slot] == [4, 0]
    spread = [("{a}x", "5/minute"), ("{a}y", "1/minute"), ("{b}z", "3/minute"), ("{c}z", "3/minute")]
    assert [d.allowed for d in await limiter.mcheck(spread)] == [True, False, True, True]
    assert [(await limiter.peek(key, "3/minute")).remaining for key in ("{b}z", "{c}z")] == [3, 3]


async def test_a_cluster_without_the_module_runs_the_script_on_every_node(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, module=False)
    limiter = open_limiter(cluster.url)
    decisions = [await limiter.check(f"k:{n}", "9/minute") for n in range(12)]
    assert {(d.remaining, d.source) for d in decisions} == {(8, "script")}
    cluster.nodes[1].db().script_flush()
    decisions = await asyncio.gather(*[limiter.check(f"k:{n}", "9/minute") for n in range(12)])
    assert {d.remaining for d in decisions} == {7}


async def test_the_script_runs_on_the_node_that_stores_the_log(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start, module=False)
    limiter = open_limiter(cluster.url)
    await limiter.start()
    # A node that does not store the key of the probe redirects it.
    redirected_probes = cluster.redirects()
    # Without a hash tag, a key and its log have different slots.
    names = [f"user:{number}" for number in range(30)]
    for name in names:
        assert (await limiter.check(name, "9/minute", 2)).source == "script"
    assert [await limiter.refund(name) for name in names] == [1] * len(names)
    assert {(await limiter.peek(name, "9/minute")).remaining for name in names} == {8}
    both = await limiter.mcheck([(name.decode(), "9/minute") for name in keys_of_one_slot()])
    assert [(decision.source, decision.remaining) for decision in both] == [("script", 8)] * 2
    assert [await limiter.reset(name) for name in names] == [1] * len(names)
    assert cluster.redirects() == redirected_probes


async def test_a_denial_by_the_script_is_cached_until_its_log_changes(start: Start) -> None:
    cluster = Cluster(start, module=False)
    limiter = Driver("async", cluster.url, deny_cache=100)
    await limiter.start()
    await until("each shard reports changes", lambda: limiter.health().tracking)

    async def is_cached(name: str) -> bool:
        return bool((await limiter.check(name, "1/hour")).source == "deny-cache")

    async def is_allowed(name: str) -> bool:
        return bool((await limiter.check(name, "1/hour")).allowed)

    for name in (f"k{number}" for number in range(6)):
        await until("the denial is cached", partial(is_cached, name))
        for node in cluster.nodes:
            node.db().flushall()
        await until("the change is known", partial(is_allowed, name))
    await limiter.close()


async def test_checks_continue_while_a_cluster_under_load_is_killed(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    limiter = open_limiter(cluster.url)
    async with Load(limiter, 6) as load:
        await load.until_decided_by("module")
        for node in cluster.nodes:
            node.kill()
        await load.until_decided_by("local")
        for node in cluster.nodes:
            node.restart()
        await load.until_decided_by("module")


async def test_a_cluster_that_starts_later_is_found(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    for node in cluster.nodes:
        node.kill()
    limiter = open_limiter(cluster.url)
    assert await limiter.source() == "local"
    for node in cluster.nodes:
        node.restart()
    await until("the cluster is found", lambda: limiter.health().state == "closed")
    assert await limiter.source() == "module"


async def test_a_timed_out_check_counts_once_in_a_cluster(start: Start, open_limiter: Open) -> None:
    cluster = Cluster(start)
    limiter = open_limiter(cluster.url, timeout=1.0, failure_threshold=1)
    assert (await limiter.check("k", "9/minute")).source == "module"
    for node in cluster.nodes:
        node.pause()
    assert (await limiter.check("k", "9/minute")).source == "local"
    for node in cluster.nodes:
        node.resume()
    await until("the cluster has recovered", lambda: limiter.health().state == "closed")
    assert (await limiter.peek("k", "9/minute")).remaining == 7


async def test_cancelled_callers_do_not_affect_others_in_a_cluster(start: Start) -> None:
    limiter = Driver("async", Cluster(start).url)
    await limiter.check("warm", "9/minute")
    tasks = [asyncio.ensure_future(limiter.check(f"k:{n}", f"{n + 100}/minute")) for n in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcome.limit for outcome in outcomes[1::2] if not isinstance(outcome, BaseException)] == [
        n + 100 for n in range(1, 10, 2)
    ]
    await limiter.close()


async def test_a_check_does_not_wait_for_commands_of_operators(start: Start) -> None:
    cluster = Cluster(start)
    limiter = RateLimiter(cluster.url, timeout=1.0)
    key = next(key for key in map(str, range(100)) if key_slot(key.encode()) * 3 < SLOTS)
    await limiter.check(key, "9/minute")
    await limiter.admin.stats()
    cluster.nodes[2].pause()
    stats, decision = await asyncio.gather(
        limiter.admin.stats(), limiter.check(key, "9/minute"), return_exceptions=True
    )
    cluster.nodes[2].resume()
    assert isinstance(stats, UnavailableError)
    assert isinstance(decision, Decision)
    assert (decision.source, decision.remaining) == ("module", 7)
    await limiter.aclose()


async def test_a_limiter_of_an_absent_cluster_can_be_closed(open_limiter: Open) -> None:
    limiter = open_limiter(f"redis+cluster://127.0.0.1:{free_port()}")
    assert await limiter.source() == "local"
    await limiter.close()
