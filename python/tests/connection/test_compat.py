"""Encoding of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratelog import RateLimiter
from ratelog.connection import compat
from support.driver import FAST

if TYPE_CHECKING:
    import pytest

    from support.server import Server


async def test_redis_py_packs_commands_without_hiredis(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_hiredis_pack", None)
    async with RateLimiter(server.url, **FAST) as limiter:
        assert (await limiter.check(b"\xff", "9/minute", 2)).remaining == 7
