"""Functions that depend on the version of redis-py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import RateLimiter
from ratelog.connection import compat
from support.driver import FAST

if TYPE_CHECKING:
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


@pytest.mark.parametrize("is_old", [True, False])
async def test_a_handler_of_invalidations_is_set_on_each_parser(is_old: bool) -> None:
    class OldParser:
        async def receive(self, push: list[Any]) -> None:
            self.handler(push)

        def set_push_handler(self, handler: Any) -> None:
            self.handler = handler

    class Parser:
        async def receive(self, push: list[Any]) -> None:
            await self.handler(push)

        def set_invalidation_push_handler(self, handler: Any) -> None:
            self.handler = handler

    received: list[Any] = []
    parser = OldParser() if is_old else Parser()
    compat.set_invalidation_handler(SimpleNamespace(_parser=parser), received.append)
    await parser.receive([b"invalidate", [b"k"]])
    assert received == [[b"invalidate", [b"k"]]]
