"""DenyCache that are remembered, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.driver import Driver
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open


def checks(db: Any) -> int:
    stats = db.info("commandstats")
    return sum(
        int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("RL.CHECK", "RL.MCHECK", "evalsha")
    )


async def remembered(limiter: Driver) -> None:
    """Waits until a denial is: by an asynchronous limiter the server watches over the key first."""

    async def recalled() -> bool:
        return str((await limiter.check("k", "1/hour")).source) == "deny-cache"

    await until("the denial is remembered", recalled)


async def denied(limiter: Driver) -> None:
    assert await limiter.check("k", "1/hour")
    first = await limiter.check("k", "1/hour")
    assert not first
    assert first.source in ("module", "script")
    await remembered(limiter)


@pytest.mark.parametrize("backend", ["module", "script"])
async def test_a_cached_denial_sends_no_command(server: Server, open_limiter: Open, backend: str) -> None:
    limiter = open_limiter(server.url, deny_cache=100, backend=backend)
    await denied(limiter)
    before = checks(server.db())
    decisions = [await limiter.check("k", "1/hour") for _ in range(10)]
    assert {(d.allowed, d.source) for d in decisions} == {(False, "deny-cache")}
    assert 3_500_000 < decisions[-1].retry_after_ms <= 3_600_000
    assert checks(server.db()) == before
    # Other terms are another question, and so is a peek, and a check of several keys.
    assert (await limiter.check("k", "5/hour")).source == backend
    assert (await limiter.peek("k", "1/hour")).source == backend
    assert (await limiter.mcheck([("k", "1/hour"), ("l", "1/hour")]))[0].source == backend


async def test_a_reset_and_a_refund_invalidate_a_denial(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, deny_cache=100)
    for end in (limiter.reset, limiter.refund):
        await denied(limiter)
        await end("k")
        assert await limiter.check("k", "1/hour")
        await limiter.reset("k")


async def test_an_override_invalidates_a_denial(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, deny_cache=100)
    await denied(limiter)
    await limiter.set_override("k", "allow")
    assert await limiter.check("k", "1/hour")
    await limiter.set_override("k", "limit", "1/day")
    await remembered(limiter)
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
    assert checks(server.db()) < 50


async def test_a_change_by_another_client_invalidates_a_denial(server: Server) -> None:
    driver = Driver("async", server.url, deny_cache=100)
    await driver.start()
    await until("the server tells of changes", lambda: driver.health().tracking)
    await denied(driver)
    server.db().execute_command("RL.RESET", "k")

    async def allowed() -> bool:
        return bool((await driver.peek("k", "1/hour")) and (await driver.check("k", "1/hour")))

    await until("the denial is forgotten", allowed)
    await driver.close()
