"""The operations of operators of both limiters with one interface."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ratelog.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ratelog.engine.overrides import ListedOverride

    from .driver import Driver


class AdminDriver:
    """`limiter.admin`, whose methods are awaited, whatever its kind."""

    def __init__(self, limiter: Driver) -> None:
        self.admin = limiter.limiter.admin

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.admin, name)
        if isinstance(self.admin, Admin):
            return method  # type: ignore[no-any-return]

        async def call(*arguments: Any, **named: Any) -> Any:
            return await asyncio.to_thread(method, *arguments, **named)

        return call

    async def overrides(self, *arguments: Any, **named: Any) -> list[ListedOverride]:
        """All overrides in a list."""
        admin = self.admin
        if isinstance(admin, Admin):
            return [override async for override in admin.overrides(*arguments, **named)]
        return await asyncio.to_thread(lambda: list(admin.overrides(*arguments, **named)))
