"""Resets all keys of a limiter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .._core import SCRIPT_SUFFIX
from ..errors import ConfigError
from .node_command import ALL_PRIMARIES, NodeCommand, by_node

if TYPE_CHECKING:
    from .commands import Reply
    from .engine import Engine
    from .operation import Operation

PAGE = 1000
"""The number of keys that a server examines for each page of `SCAN`."""
_SUFFIX = SCRIPT_SUFFIX.encode()


class KeyScan:
    """The keys with a prefix, page by page, of all primaries."""

    def __init__(self, prefix: str) -> None:
        escaped = re.sub(r"([\\*?\[\]^])", r"\\\1", prefix)
        self._options = ("MATCH", f"{escaped}:*", "COUNT", PAGE)
        self._cursors: dict[str, str] | None = None

    def next_page(self) -> Operation[list[bytes] | None]:
        """Returns the next keys, or `None` after the last page."""
        if self._cursors is None:
            (reply,) = yield (self._command("0", ALL_PRIMARIES),)
            self._cursors = {}
            return self._read(by_node(_no_error(reply)))
        if not self._cursors:
            return None
        node, cursor = self._cursors.popitem()
        (reply,) = yield (self._command(cursor, node),)
        return self._read({node: _no_error(reply)})

    def _command(self, cursor: str, nodes: str) -> NodeCommand:
        return NodeCommand("SCAN", cursor, *self._options, nodes=nodes)

    def _read(self, pages: Mapping[str, Reply]) -> list[bytes]:
        found: list[bytes] = []
        for node, page in pages.items():
            cursor, keys = cast("tuple[Any, list[bytes | str]]", _no_error(page))
            if isinstance(cursor, Mapping):
                # redis-py's clients of a cluster return the cursor of each node.
                (cursor,) = cursor.values()
            found += [key.encode() if isinstance(key, str) else key for key in keys]
            text = cursor.decode() if isinstance(cursor, bytes) else str(cursor)
            if text != "0" and self._cursors is not None:
                self._cursors[node] = text
        return found


def reset_all(engine: Engine, prefix: str) -> Operation[int]:
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
    reset = 0
    scan = KeyScan(prefix)
    while (page := (yield from scan.next_page())) is not None:
        keys = [key.removesuffix(_SUFFIX) for key in page]
        if keys:
            replies = yield [engine.backend.dialect.reset(key) for key in keys]
            reset += sum(type(reply) is int and reply > 0 for reply in replies)
    return reset


def _no_error(reply: Reply) -> Reply:
    if isinstance(reply, Exception):
        raise reply
    return reply
