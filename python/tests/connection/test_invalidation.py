"""Cached denials with CLIENT TRACKING, and without."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ratelog import Check, Decision, Limits, RateLimiter
from support.driver import FAST
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import Server
    from support.types import Start

HOURLY = "1/hour"


async def tracking_limiter(server: Server) -> RateLimiter:
    limiter = RateLimiter(server.url, deny_cache=100, **FAST)
    await limiter.start()
    await until("tracking is enabled", lambda: limiter.health().tracking)
    return limiter


def has_source(limiter: RateLimiter, source: str) -> Callable[[], Any]:
    async def matches() -> bool:
        return (await limiter.check("k", HOURLY)).source == source

    return matches


async def test_flushall_invalidates_all_denials(server: Server) -> None:
    async with await tracking_limiter(server) as limiter:
        await limiter.check("k", HOURLY)
        await until("the denial is cached", has_source(limiter, "deny-cache"))
        server.db().flushall()
        await until("the denial is invalidated", has_source(limiter, "module"))


async def test_tracking_resumes_after_a_restart(start: Start) -> None:
    server = start()
    async with await tracking_limiter(server) as limiter:
        server.kill()
        await until("tracking has ended", lambda: not limiter.health().tracking)
        server.restart()
        await until("tracking is enabled again", lambda: limiter.health().tracking)


async def test_denials_are_cached_without_permission_to_track(start: Start) -> None:
    server = start()
    server.db().execute_command("ACL", "SETUSER", "default", "-client|tracking")
    async with RateLimiter(server.url, deny_cache=100, **FAST) as limiter:
        await limiter.check("k", HOURLY)
        await until("the denial is cached", has_source(limiter, "deny-cache"))
        assert not limiter.health().tracking


async def test_the_server_decides_without_permission_to_peek(start: Start) -> None:
    server = start()
    async with await tracking_limiter(server) as limiter:
        server.db().execute_command("ACL", "SETUSER", "default", "-rl.peek")
        assert await limiter.check("k", HOURLY)
        for _ in range(20):
            decision = await limiter.check("k", HOURLY)
            assert (decision.allowed, decision.source) == (False, "module")
        assert limiter.health().tracking


async def test_a_denial_that_ended_before_tracking_is_not_cached(server: Server) -> None:
    async with await tracking_limiter(server) as limiter:
        session: Any = limiter._sessions._by_loop[asyncio.get_running_loop()]
        listener = session.invalidations
        check = Check(b"k", Limits(HOURLY))
        deny_cache = limiter._engine.deny_cache
        assert deny_cache is not None
        for allowed, is_cached in ((1, False), (0, True)):
            assert deny_cache.begin_fetch(*check)
            listener._sent.append((check, deny_cache.version(b"k"), limiter._engine.backend.dialect))
            listener._on_reply([allowed, 1, 0, 0 if allowed else 9_000, 9_000, 3_600_000])
            assert isinstance(deny_cache.get(*check), Decision) is is_cached


async def test_a_connection_that_stops_responding_is_dropped(start: Start) -> None:
    server = start()
    options = {**FAST, "connect_timeout": 0.5}
    async with RateLimiter(server.url, deny_cache=100, **options) as limiter:
        await until("tracking is enabled", lambda: limiter.health().tracking)
        server.pause()
        await until("tracking has ended", lambda: not limiter.health().tracking)
        server.resume()
        await until("tracking is enabled again", lambda: limiter.health().tracking)


async def test_an_idle_connection_stays_open(server: Server) -> None:
    async with RateLimiter(server.url, deny_cache=100, **{**FAST, "connect_timeout": 1.0}) as limiter:
        await until("tracking is enabled", lambda: limiter.health().tracking)
        db: Any = server.db()
        await until("pings were sent", lambda: int(db.info("commandstats").get("cmdstat_ping", {}).get("calls", 0)) > 2)
        listeners = [client for client in db.client_list() if client["name"] == "ratelog-invalidation"]
        assert len(listeners) == 1
