"""Functions that depend on the versions of Python and redis-py, and on installed extras."""

from __future__ import annotations

import inspect
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

# Not `asyncio.wait_for`, which can lose a cancellation before Python 3.12.
if sys.version_info >= (3, 11):
    from asyncio import timeout
else:  # pragma: no cover - redis-py depends on this package, too
    from async_timeout import timeout  # type: ignore[import-not-found, unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..engine.commands import Command

__all__ = ["can_read", "get_connection", "pack_commands", "push_options", "set_invalidation_handler", "timeout"]

_hiredis_pack: Callable[[Command], bytes] | None
try:
    _hiredis_pack = cast("Any", import_module("hiredis")).pack_command
except (ImportError, AttributeError):  # pragma: no cover - an optional extra; hiredis before 2.2 only parses
    _hiredis_pack = None


def pack_commands(connection: Any, commands: Sequence[Command]) -> Iterable[bytes]:
    """Encodes commands, with hiredis if it is installed. redis-py uses hiredis to parse only."""
    if _hiredis_pack is None:
        return cast("Iterable[bytes]", connection.pack_commands(commands))
    return [b"".join(map(_hiredis_pack, commands))]


def get_connection(pool: Any) -> Any:
    """Calls `pool.get_connection`, which needs the name of a command in redis-py before 5.3, and in valkey-py."""
    pool_type: Any = type(pool)
    return pool.get_connection("_") if _needs_command_name(pool_type) else pool.get_connection()


def can_read(connection: Any) -> Any:
    """Calls `can_read` of an asynchronous connection. Its name was `can_read_destructive` before redis-py 8."""
    method = getattr(connection, "can_read", None) or connection.can_read_destructive
    return method()


def push_options() -> dict[str, Any]:
    """The options of a connection that receives invalidations. Old versions of redis-py ignore them with hiredis."""
    connections, parsers = import_module("redis.asyncio.connection"), import_module("redis._parsers")
    if hasattr(connections.DefaultParser, "set_invalidation_push_handler"):
        return {"protocol": 3}
    return {"protocol": 3, "parser_class": parsers._AsyncRESP3Parser}  # noqa: SLF001


def set_invalidation_handler(connection: Any, handler: Callable[[list[Any]], None]) -> None:
    """Calls `handler` with each invalidation that an asynchronous connection receives."""
    parser = connection._parser  # noqa: SLF001
    if not hasattr(parser, "set_invalidation_push_handler"):
        # redis-py before 5.1 has one handler for all pushes, and does not await it.
        parser.set_push_handler(handler)
        return

    async def handle(push: list[Any]) -> None:
        handler(push)

    parser.set_invalidation_push_handler(handle)


@cache
def _needs_command_name(pool_type: Any) -> bool:
    parameter = inspect.signature(pool_type.get_connection).parameters.get("command_name")
    return parameter is not None and parameter.default is inspect.Parameter.empty
