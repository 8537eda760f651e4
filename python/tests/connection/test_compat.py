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


def test_a_pool_that_needs_the_name_of_a_command_gets_one() -> None:
    class OldPool:
        def get_connection(self, command_name: str) -> str:
            return command_name

    class Pool:
        def get_connection(self, command_name: str | None = None) -> str | None:
            return command_name

    assert compat.get_connection(OldPool()) == "_"
    assert compat.get_connection(Pool()) is None
