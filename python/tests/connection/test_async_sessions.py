"""One limiter in several event loops."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from ratelog import RateLimiter
from support.cluster import PARTIAL, Cluster
from support.driver import FAST
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from support.server import Server
    from support.types import Start

T = TypeVar("T")


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


async def test_every_event_loop_closes_its_connections_to_a_shard_that_has_left(start: Start) -> None:
    cluster = Cluster(start, 3, PARTIAL, replicas=True)
    keys = cluster.key_of_each()
    old = cluster.nodes[0].db()
    limiter = RateLimiter(cluster.url, **FAST)
    other = asyncio.new_event_loop()

    def connections() -> int:
        return sum(client["name"].startswith("ratelog") for client in old.client_list())

    async def in_other_loop(operation: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(operation, other))

    async def check_all() -> set[str]:
        return {(await limiter.check(key, "9/minute")).source for key in keys}

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(other.run_forever)
        try:
            assert await check_all() == {"module"}
            await until("the other loop is connected, too", lambda: in_other_loop(check_all()))
            cluster.promote(3)
            left = f"127.0.0.1:{cluster.nodes[0].port}"

            async def has_left() -> bool:
                await check_all()
                return left not in {shard.address for shard in limiter.health().shards}

            await until("the old primary has left", has_left)
            # The other loop asks other shards only, and no slot has moved that it uses.
            await in_other_loop(limiter.check(keys[1], "9/minute"))
            await until("all connections to it are closed", lambda: connections() == 0)
        finally:
            await in_other_loop(limiter.aclose())
            other.call_soon_threadsafe(other.stop)
            running.result()
            other.close()
            await limiter.aclose()


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
