"""What carries batches: a server's connections, or a cluster's client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..engine.commands import Command, Reply

if TYPE_CHECKING:
    import asyncio

Asked = list[tuple[Sequence[Command], "asyncio.Future[list[Reply]]"]]
"""Commands, and whom their replies are for."""


class Carriers(Protocol):
    """As many as may be under way at once."""

    def take(self) -> Any:
        """One that is ready, or `None`. It is given back by `carry`, or by `put`."""

    def put(self, carrier: Any) -> None:
        """Gives back one that carried nothing."""

    async def carry(self, carrier: Any, asked: Asked) -> bool:
        """Has the commands answered; false if it turned out not to be ready, and nothing was sent."""

    async def carry_alone(self, asked: Asked) -> None:
        """The same, beside those that `take` counts."""

    async def close(self) -> None:
        """Gives everything back to redis-py."""
