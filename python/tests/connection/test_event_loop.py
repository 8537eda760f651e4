"""Limiters on trio and on anyio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
import trio

from ratelog import Limits, RateLimiter
from support.apps import protected
from support.driver import FAST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.server import Server

MESSAGE = (
    "RateLimiter needs asyncio for its connections: run the program on asyncio (anyio.run(main, backend='asyncio')), "
    "or use SyncRateLimiter in a thread (anyio.to_thread.run_sync)"
)

USES: dict[str, Callable[[RateLimiter], Awaitable[object]]] = {
    "start": lambda limiter: limiter.start(),
    "check": lambda limiter: limiter.check("k", "1/minute"),
    "peek": lambda limiter: limiter.peek("k", "1/minute"),
    "mcheck": lambda limiter: limiter.mcheck([("k", "1/minute")]),
    "aclose": lambda limiter: limiter.aclose(),
}


def test_a_limiter_with_a_server_cannot_be_created_on_trio(server: Server) -> None:
    async def main() -> None:
        RateLimiter(server.url)

    with pytest.raises(RuntimeError) as raised:
        trio.run(main)
    assert str(raised.value) == MESSAGE


@pytest.mark.parametrize("use", USES)
def test_a_limiter_with_a_server_cannot_be_used_on_trio(server: Server, use: str) -> None:
    limiter = RateLimiter(server.url)

    async def main() -> None:
        await USES[use](limiter)

    with pytest.raises(RuntimeError) as raised:
        trio.run(main)
    assert str(raised.value) == MESSAGE


def test_a_session_of_asyncio_is_not_used_on_trio(server: Server) -> None:
    limiter = RateLimiter(server.url, **FAST)

    async def main() -> str:
        return (await limiter.check("k", "9/minute")).source

    assert anyio.run(main, backend="asyncio") == "module"
    with pytest.raises(RuntimeError, match="needs asyncio"):
        trio.run(main)
    assert anyio.run(main, backend="asyncio") == "module"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_limiter_without_a_server_needs_no_asyncio(backend: str) -> None:
    async def main() -> None:
        async with RateLimiter("memory://", policies={"p": "1/minute"}) as limiter:
            assert [(await limiter.check("k", "1/minute")).allowed for _ in range(2)] == [True, False]
            assert (await limiter.check("p", Limits.of_policy("p"))).allowed
            assert len(await limiter.mcheck([("a", "1/minute"), ("b", "1/minute")])) == 2
            assert (await limiter.refund("k"), await limiter.reset("k")) == (1, 0)
            transport = httpx.ASGITransport(protected(RateLimiter("memory://", default="2/minute")))
            async with httpx.AsyncClient(transport=transport, base_url="http://api.example.com") as client:
                assert [(await client.get(path)).status_code for path in ("/a", "/b", "/a")] == [200, 200, 429]

    anyio.run(main, backend=backend)
