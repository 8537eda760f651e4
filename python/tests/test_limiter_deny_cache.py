"""Cached denials, and their invalidation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.driver import Driver
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open


def check_calls(db: Any) -> int:
    stats = db.info("commandstats")
    return sum(
        int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("rl.check", "rl.mcheck", "evalsha")
    )


async def until_cached(limiter: Driver) -> None:
    """Waits until a denial is cached. The asynchronous limiter enables tracking of the key before."""

    async def is_cached() -> bool:
        return str((await limiter.check("k", "1/hour")).source) == "deny-cache"

    await until("the denial is cached", is_cached)


async def deny(limiter: Driver) -> None:
    assert await limiter.check("k", "1/hour")
    first = await limiter.check("k", "1/hour")
    assert not first
    assert first.source in ("module", "script")
    await until_cached(limiter)


@pytest.mark.parametrize("backend", ["module", "script"])
async def test_a_cached_denial_sends_no_command(server: Server, open_limiter: Open, backend: str) -> None:
    limiter = open_limiter(server.url, deny_cache=100, backend=backend)
    await deny(limiter)
    before = check_calls(server.db())
    decisions = [await limiter.check("k", "1/hour") for _ in range(10)]
    assert {(d.allowed, d.source) for d in decisions} == {(False, "deny-cache")}
    assert 3_500_000 < decisions[-1].retry_after_ms <= 3_600_000
    assert check_calls(server.db()) == before
    # The cache is not used for other limits, for a peek, or for several keys.
    assert (await limiter.check("k", "5/hour")).source == backend
    assert (await limiter.peek("k", "1/hour")).source == backend
    assert (await limiter.mcheck([("k", "1/hour"), ("l", "1/hour")]))[0].source == backend


async def test_a_reset_and_a_refund_invalidate_a_denial(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, deny_cache=100)
    for end in (limiter.reset, limiter.refund):
        await deny(limiter)
        await end("k")
        assert await limiter.check("k", "1/hour")
        await limiter.reset("k")


async def test_an_override_invalidates_a_denial(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, deny_cache=100)
    await deny(limiter)
    await limiter.set_override("k", "allow")
    assert await limiter.check("k", "1/hour")
    await limiter.set_override("k", "limit", "1/day")
    await until_cached(limiter)
    await limiter.del_override("k")
    assert (await limiter.check("k", "9/hour")).allowed


async def test_local_denials_are_not_cached(open_limiter: Open) -> None:
    limiter = open_limiter("memory://", deny_cache=100)
    assert [(await limiter.check("k", "1/hour")).source for _ in range(3)] == ["local"] * 3


async def test_a_busy_caller_uses_the_cache(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, deny_cache=100)
    await limiter.check("k", "1/hour")
    for _ in range(200):
        await limiter.check("k", "1/hour")
    assert check_calls(server.db()) < 50


async def test_a_change_by_another_client_invalidates_a_denial(server: Server) -> None:
    driver = Driver("async", server.url, deny_cache=100)
    await driver.start()
    await until("tracking is enabled", lambda: driver.health().tracking)
    await deny(driver)
    server.db().execute_command("RL.RESET", "k")

    async def allowed() -> bool:
        return bool((await driver.peek("k", "1/hour")) and (await driver.check("k", "1/hour")))

    await until("the denial is invalidated", allowed)
    await driver.close()
