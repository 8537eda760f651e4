"""Functions that depend on the Python version and on installed extras."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

# Not `asyncio.wait_for`, which can lose a cancellation before Python 3.12.
if sys.version_info >= (3, 11):
    from asyncio import timeout
else:  # pragma: no cover - redis-py depends on this package, too
    from async_timeout import timeout  # type: ignore[import-not-found, unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..engine.commands import Command

__all__ = ["pack_commands", "timeout"]

_hiredis_pack: Callable[[Command], bytes] | None
try:
    import hiredis
except ImportError:  # pragma: no cover - an optional extra, which the tests install
    _hiredis_pack = None
else:
    _hiredis_pack = cast("Any", hiredis).pack_command


def pack_commands(connection: Any, commands: Sequence[Command]) -> Iterable[bytes]:
    """Encodes commands, with hiredis if it is installed. redis-py uses hiredis to parse only."""
    if _hiredis_pack is None:
        return cast("Iterable[bytes]", connection.pack_commands(commands))
    return [b"".join(map(_hiredis_pack, commands))]
