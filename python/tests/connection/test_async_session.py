"""Start and close of the connections in one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ratelog import RateLimiter
from support.driver import FAST
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server


async def test_a_limiter_can_be_closed_while_it_starts(server: Server) -> None:
    limiter = RateLimiter(server.url, deny_cache=100, **FAST)
    for turns in range(30):
        tasks = [asyncio.create_task(limiter.check(f"k:{n}", "1000000/minute")) for n in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await limiter.aclose()
        assert {decision.source for decision in await asyncio.gather(*tasks)} <= {"module", "local"}
    await limiter.aclose()
    assert limiter.health().last_error is None
    db: Any = server.db()
    names = ("ratelog", "ratelog-invalidation")
    await until("all connections are closed", lambda: not [c for c in db.client_list() if c["name"] in names])


async def test_close_ends_checks_in_progress(start: Any) -> None:
    server = start()
    limiter = RateLimiter(server.url, max_connections=1, **FAST)
    await limiter.check("k", "9/minute")
    server.pause()
    busy = asyncio.create_task(limiter.check("k", "9/minute"))
    for _ in range(5):
        await asyncio.sleep(0)
    waiting = asyncio.create_task(limiter.check("k", "9/minute"))
    for _ in range(5):
        await asyncio.sleep(0)
    await limiter.aclose()
    assert [d.source for d in await asyncio.gather(busy, waiting)] == ["local", "local"]
    assert (limiter.health().opened, limiter.health().last_error) == (0, None)
