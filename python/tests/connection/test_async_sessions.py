"""One limiter in several event loops."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ratelog import RateLimiter
from support.cluster import PARTIAL, Cluster
from support.driver import FAST
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Start


async def test_event_loops_in_several_threads_share_a_limiter(server: Server) -> None:
    limiter = RateLimiter(server.url, deny_cache=100, **FAST)

    async def check_many() -> int:
        async with limiter:
            decisions = [await limiter.check("k", "100/hour") for _ in range(50)]
            others = await asyncio.gather(*[limiter.check("k", "100/hour") for _ in range(50)])
            return sum(decision.allowed for decision in [*decisions, *others])

    with ThreadPoolExecutor(4) as threads:
        loops = [threads.submit(asyncio.run, check_many()) for _ in range(4)]
        allowed = [await asyncio.wrap_future(loop) for loop in loops]
    assert sum(allowed) == 100
    assert (limiter.health().opened, limiter.health().last_error) == (0, None)
    assert not limiter._sessions._by_loop


async def test_probes_continue_after_the_loop_that_lost_the_server_is_closed(start: Start) -> None:
    server = start()
    async with RateLimiter(server.url, **FAST) as limiter:
        await limiter.check("k", "9/minute")
        server.kill()

        async def lose_server() -> str:
            decision = await limiter.check("k", "9/minute")
            await limiter.aclose()
            return decision.source

        assert await asyncio.to_thread(asyncio.run, lose_server()) == "local"
        server.restart()

        async def is_remote() -> bool:
            return (await limiter.check("k", "9/minute")).source == "module"

        await until("the server is found", is_remote)


async def test_event_loops_in_several_threads_share_the_shards_of_a_cluster(start: Start) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    keys = cluster.key_of_each()
    limiter = RateLimiter(cluster.url, deny_cache=100, **FAST)

    async def check_many() -> int:
        async with limiter:
            decisions = await asyncio.gather(*[limiter.check(keys[n % 3], "50/hour") for n in range(60)])
            assert {decision.source for decision in decisions} <= {"module", "deny-cache"}
            return sum(decision.allowed for decision in decisions)

    with ThreadPoolExecutor(4) as threads:
        loops = [threads.submit(asyncio.run, check_many()) for _ in range(4)]
        allowed = [await asyncio.wrap_future(loop) for loop in loops]
    assert sum(allowed) == 150
    assert (limiter.health().opened, limiter.health().last_error) == (0, None)


async def test_a_shard_is_probed_after_the_loop_that_lost_it_is_closed(start: Start) -> None:
    cluster = Cluster(start, 3, PARTIAL)
    key = cluster.key_of_each()[1]
    async with RateLimiter(cluster.url, **FAST) as limiter:
        await limiter.check(key, "9/minute")
        cluster.nodes[1].kill()

        async def lose_shard() -> str:
            decision = await limiter.check(key, "9/minute")
            await limiter.aclose()
            return decision.source

        assert await asyncio.to_thread(asyncio.run, lose_shard()) == "local"
        cluster.nodes[1].restart()

        async def is_remote() -> bool:
            return (await limiter.check(key, "9/minute")).source == "module"

        await until("the shard is found", is_remote)
