"""The asynchronous and the synchronous limiter with one interface."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from ratelog import RateLimiter, SyncRateLimiter

from .wait import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ratelog import Health

Flavour = Literal["async", "sync"]

FAST: dict[str, Any] = {
    "timeout": 5.0,
    "connect_timeout": 10.0,
    "probe_min_interval": 0.005,
    "probe_max_interval": 0.05,
    "prefix": "",
}
"""Detects a recovery soon, but does not mistake a busy machine for an unavailable server. Keys are whole Redis keys."""


class Driver:
    """A limiter whose methods are awaited, whatever its kind."""

    def __init__(self, flavour: Flavour, url: str | None = None, **options: Any) -> None:
        options = {**FAST, **options}
        self._client = options.get("client")
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
        """The source of a new decision."""
        return str((await self.check(key, "1000000/minute")).source)

    async def until_closed(self) -> None:
        """Waits until the breaker is closed."""
        await until("the breaker is closed", lambda: self.health().state == "closed")

    async def close(self) -> None:
        """Closes the limiter, then the client that was passed to it."""
        if isinstance(self.limiter, RateLimiter):
            await self.limiter.aclose()
            if self._client is not None:
                await self._client.aclose()
        else:
            await asyncio.to_thread(self.limiter.close)
            if self._client is not None:
                self._client.close()
