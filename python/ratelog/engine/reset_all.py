"""Resets all keys of a limiter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, cast

from .._core import SCRIPT_SUFFIX
from ..errors import ConfigError
from .overrides import text, to_bytes

if TYPE_CHECKING:
    from .._core import DenyCache, LocalLimiter
    from .commands import Dialect, Reply
    from .operation import Operation

PAGE = 1000
"""The number of keys that a server examines for each page of `SCAN`."""
_SUFFIX = SCRIPT_SUFFIX.encode()


class Resettable(Protocol):
    """An engine, as this module sees it."""

    local: LocalLimiter
    deny_cache: DenyCache | None
    remote: bool

    def reset_keys(self, prefix: str) -> Operation[int]:
        """Deletes the units of all keys with a prefix on the servers. Returns the number of keys."""


def reset_all(engine: Resettable, prefix: str) -> Operation[int]:
    """Deletes the units of all keys with a prefix, on the server and in this process. Returns the number of keys.

    Overrides stay. Keys of other types are left alone.

    Raises:
        ConfigError: the prefix is empty.
    """
    if not prefix:
        raise ConfigError("reset_all needs a prefix, since it deletes the units of all keys with it")
    reset = len(engine.local)
    engine.local.clear()
    if engine.deny_cache is not None:
        engine.deny_cache.invalidate_all()
    if not engine.remote:
        return reset
    return (yield from engine.reset_keys(prefix))


def reset_keys(dialect: Dialect, prefix: str) -> Operation[int]:
    """Deletes the units of all keys of one server that have a prefix. Returns the number of keys."""
    options = ("MATCH", f"{_escape(prefix)}:*", "COUNT", PAGE)
    cursor = "0"
    reset = 0
    while True:
        (page,) = yield (("SCAN", cursor, *options),)
        if isinstance(page, Exception):
            raise page
        next_cursor, keys = cast("tuple[Reply, list[Reply]]", page)
        names = [to_bytes(key).removesuffix(_SUFFIX) for key in keys]
        if names:
            replies = yield [dialect.reset(name) for name in names]
            reset += sum(type(reply) is int and reply > 0 for reply in replies)
        cursor = text(next_cursor)
        if cursor == "0":
            return reset


def _escape(prefix: str) -> str:
    return re.sub(r"([\\*?\[\]^])", r"\\\1", prefix)
