"""Commands as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..engine.commands import Command

_pack: Callable[[Command], bytes] | None
try:
    import hiredis
except ImportError:  # pragma: no cover - an extra, which the tests install
    _pack = None
else:
    _pack = cast("Any", hiredis).pack_command


def packed(connection: Any, commands: Sequence[Command]) -> Iterable[bytes]:
    """What a connection is to send: by hiredis where it is installed, which redis-py's asyncio leaves to its parser."""
    if _pack is None:
        return cast("Iterable[bytes]", connection.pack_commands(commands))
    return [b"".join(map(_pack, commands))]
