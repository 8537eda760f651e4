"""The asynchronous and the synchronous limiter, driven alike."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from ratelog import RateLimiter, SyncRateLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ratelog import Health

Flavour = Literal["async", "sync"]

BRISK: dict[str, Any] = {
    "timeout": 1.0,
    "connect_timeout": 2.0,
    "probe_min_interval": 0.005,
    "probe_max_interval": 0.05,
}
"""Notices a server's return soon, and does not mistake a busy machine for a server that is away."""


class Driver:
    """A limiter whose methods are awaited, whichever it is."""

    def __init__(self, flavour: Flavour, url: str | None = None, **options: Any) -> None:
        options = {**BRISK, **options}
        self.limiter: RateLimiter | SyncRateLimiter = (
            RateLimiter(url, **options) if flavour == "async" else SyncRateLimiter(url, **options)
        )

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.limiter, name)
        if isinstance(self.limiter, RateLimiter):
            return method  # type: ignore[no-any-return]

        async def call(*arguments: Any, **named: Any) -> Any:
            return await asyncio.to_thread(method, *arguments, **named)

        return call

    def health(self) -> Health:
        return self.limiter.health()

    async def source(self, key: str = "k") -> str:
        """Who answers a check just now."""
        return str((await self.check(key, "1000000/minute")).source)

    async def close(self) -> None:
        if isinstance(self.limiter, RateLimiter):
            await self.limiter.aclose()
        else:
            await asyncio.to_thread(self.limiter.close)
