"""Reads the body of a request before the application does."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import Message, Receive


class Replay:
    """Keeps the messages that were received before the application runs, and passes them to it afterwards."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: deque[Message] = deque()

    async def record(self) -> Message:
        """Receives a message and keeps it."""
        message = await self._receive()
        self._messages.append(message)
        return message

    def receive(self) -> Receive:
        """The `receive` of the application."""
        return self._replay if self._messages else self._receive

    async def _replay(self) -> Message:
        return self._messages.popleft() if self._messages else await self._receive()
