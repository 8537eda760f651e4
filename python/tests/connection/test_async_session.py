"""Start and close of the connections in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from ratelog import RateLimiter
from support.driver import FAST
from support.server import free_port
from support.wait import until

if TYPE_CHECKING:
    import pytest

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


async def test_close_ends_the_probes_if_redis_py_loses_the_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = RateLimiter(f"redis://127.0.0.1:{free_port()}", **FAST)
    await limiter.start()
    session: Any
    (session,) = limiter._sessions._by_loop.values()
    is_probing = asyncio.Event()

    async def lose_cancellation(_: object) -> list[Any]:
        if is_probing.is_set():
            raise asyncio.CancelledError
        is_probing.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise ConnectionError("no server")

    monkeypatch.setattr(session, "_execute_probe", lose_cancellation)
    await is_probing.wait()
    probes = session._probe_task
    await limiter.aclose()
    assert probes is not None
    assert not probes.cancelled()
