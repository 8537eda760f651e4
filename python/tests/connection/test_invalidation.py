"""A server that tells of the keys whose deny_cache are remembered, and one that does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ratelog import Check, Decision, Limits, RateLimiter
from support.driver import BRISK
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import Server
    from support.types import Start

HOURLY = "1/hour"


async def watched(server: Server) -> RateLimiter:
    limiter = RateLimiter(server.url, deny_cache=100, **BRISK)
    await limiter.start()
    await until("the server tells of changes", lambda: limiter.health().tracking)
    return limiter


def answered_by(limiter: RateLimiter, source: str) -> Callable[[], Any]:
    async def asked() -> bool:
        return (await limiter.check("k", HOURLY)).source == source

    return asked


async def test_flushall_invalidates_all_denials(server: Server) -> None:
    async with await watched(server) as limiter:
        await limiter.check("k", HOURLY)
        await until("the denial is remembered", answered_by(limiter, "deny-cache"))
        server.db().flushall()
        await until("it is forgotten", answered_by(limiter, "module"))


async def test_tracking_resumes_after_a_restart(start: Start) -> None:
    server = start()
    async with await watched(server) as limiter:
        server.kill()
        await until("nobody tells", lambda: not limiter.health().tracking)
        server.start_again()
        await until("the server tells of changes again", lambda: limiter.health().tracking)


async def test_denials_are_cached_without_permission_to_track(start: Start) -> None:
    server = start()
    server.db().execute_command("ACL", "SETUSER", "default", "-client|tracking")
    async with RateLimiter(server.url, deny_cache=100, **BRISK) as limiter:
        await limiter.check("k", HOURLY)
        await until("the denial is remembered", answered_by(limiter, "deny-cache"))
        assert not limiter.health().tracking


async def test_the_server_decides_without_permission_to_peek(start: Start) -> None:
    server = start()
    async with await watched(server) as limiter:
        server.db().execute_command("ACL", "SETUSER", "default", "-rl.peek")
        assert await limiter.check("k", HOURLY)
        for _ in range(20):
            decision = await limiter.check("k", HOURLY)
            assert (decision.allowed, decision.source) == (False, "module")
        assert limiter.health().tracking


async def test_a_denial_that_ended_before_tracking_is_not_cached(server: Server) -> None:
    async with await watched(server) as limiter:
        listener: Any = limiter._sessions._by_loop[asyncio.get_running_loop()].invalidations
        check = Check(b"k", Limits(HOURLY))
        deny_cache = limiter._engine.deny_cache
        assert deny_cache is not None
        for allowed, remembered in ((1, False), (0, True)):
            assert deny_cache.begin_fetch(*check)
            listener._sent.append((check, deny_cache.version(b"k"), limiter._engine.backend.dialect))
            listener._on_reply([allowed, 1, 0, 0 if allowed else 9_000, 9_000, 3_600_000])
            assert isinstance(deny_cache.get(*check), Decision) is remembered


async def test_a_connection_that_stops_responding_is_dropped(start: Start) -> None:
    server = start()
    options = {**BRISK, "connect_timeout": 0.2}
    async with RateLimiter(server.url, deny_cache=100, **options) as limiter:
        await until("the server tells of changes", lambda: limiter.health().tracking)
        server.pause()
        await until("nobody tells", lambda: not limiter.health().tracking)
        server.resume()
        await until("the server tells of changes again", lambda: limiter.health().tracking)


async def test_an_idle_connection_stays_open(server: Server) -> None:
    async with RateLimiter(server.url, deny_cache=100, **{**BRISK, "connect_timeout": 0.05}) as limiter:
        await until("the server tells of changes", lambda: limiter.health().tracking)
        db: Any = server.db()
        await until("it was asked", lambda: int(db.info("commandstats").get("cmdstat_ping", {}).get("calls", 0)) > 5)
        watchers = [client for client in db.client_list() if client["name"] == "ratelog-invalidation"]
        assert len(watchers) == 1
