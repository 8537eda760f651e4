"""The start of a response, as the conditions of a limit see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

if TYPE_CHECKING:
    from .types import Message

_STATUS = {"websocket.accept": 101, "websocket.close": 403}


@dataclass(frozen=True)
class ResponseStart:
    """The status and the headers of a response."""

    status_code: int
    """101 for a WebSocket that is accepted, 403 for one that is not, 500 if the application raised an error."""
    headers: Headers

    @classmethod
    def from_message(cls, message: Message) -> ResponseStart:
        """Reads the ASGI message that starts a response."""
        status = message.get("status") or _STATUS[message["type"]]
        return cls(status, Headers(raw=list(message.get("headers", ()))))
