"""The interface of connection pools: those of one server, or of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..engine.commands import Command, Reply

if TYPE_CHECKING:
    import asyncio

PendingCommands = list[tuple[Sequence[Command], "asyncio.Future[list[Reply]]"]]
"""Commands, each with the future that receives their replies."""


class Pool(Protocol):
    """A pool with a maximum number of connections. Each carries one batch at a time."""

    def acquire(self) -> Any:
        """Returns an idle connection, or `None`. `send` and `release` give it back.

        A cluster's pool returns its client, which chooses the connections itself.
        """

    def release(self, connection: Any) -> None:
        """Gives back a connection that sent nothing."""

    async def send(self, connection: Any, pending: PendingCommands) -> bool:
        """Sends the commands and sets their replies. Returns false if the connection was broken and sent nothing."""

    async def send_unpooled(self, pending: PendingCommands) -> None:
        """Sends the commands on a connection beyond the maximum."""

    async def close(self) -> None:
        """Gives all connections back to redis-py."""
