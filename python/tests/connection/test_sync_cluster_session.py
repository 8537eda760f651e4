"""The connections of a synchronous limiter to a cluster."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ratelog import ShardHealth, SyncRateLimiter
from support.cluster import PARTIAL, Cluster
from support.driver import FAST
from support.server import free_port
from support.wait import until_sync

if TYPE_CHECKING:
    from support.types import Start


def test_a_limit_is_exact_across_threads(start: Start) -> None:
    cluster = Cluster(start)
    with SyncRateLimiter(cluster.url, **FAST) as limiter, ThreadPoolExecutor(16) as threads:
        decisions = list(threads.map(lambda number: limiter.check(f"k:{number % 4}", "25/hour"), range(200)))
        assert sum(decision.allowed for decision in decisions) == 100
        assert {decision.source for decision in decisions} == {"module"}


def test_each_shard_is_probed_by_one_thread(start: Start) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    with SyncRateLimiter(cluster.url, **FAST) as limiter, ThreadPoolExecutor(8) as threads:
        limiter.start()
        for node in cluster.nodes[:2]:
            node.kill()
        until_sync("both are lost", lambda: sum(s.state != "closed" for s in check_and_list(limiter, keys)) == 2)
        list(threads.map(lambda number: limiter.check(keys[number % 3], "1000/hour"), range(60)))
        probing = [thread for thread in threading.enumerate() if thread.name == "ratelog-probes"]
        assert len(probing) == 2
        for node in cluster.nodes[:2]:
            node.restart()
        until_sync("the shards have recovered", lambda: limiter.health().state == "closed")
        for thread in probing:
            thread.join()
    assert not [thread for thread in threading.enumerate() if thread.name == "ratelog-topology"]


def check_and_list(limiter: SyncRateLimiter, keys: list[str]) -> list[ShardHealth]:
    for key in keys:
        limiter.check(key, "1000/hour")
    return [*limiter.health().shards]


def test_a_closed_limiter_connects_again(start: Start) -> None:
    limiter = SyncRateLimiter(Cluster(start).url, **FAST)
    for _ in range(3):
        assert limiter.check("k", "9/minute").source == "module"
        limiter.close()


def test_a_limiter_of_an_absent_cluster_searches_until_it_is_closed() -> None:
    with SyncRateLimiter(f"redis+cluster://127.0.0.1:{free_port()}", **FAST) as limiter:
        assert limiter.check("k", "9/minute").source == "local"
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "ratelog-topology"]
    assert not thread.is_alive()


def test_a_fork_has_connections_of_its_own(start: Start) -> None:
    with SyncRateLimiter(Cluster(start).url, **FAST) as limiter:
        limiter.check("k", "9/minute")
        context = multiprocessing.get_context("fork")
        reader, writer = context.Pipe(duplex=False)
        child = context.Process(target=lambda: writer.send(limiter.check("k", "9/minute").remaining))
        child.start()
        assert reader.recv() == 7
        child.join()
        assert limiter.check("k", "9/minute").remaining == 6
