"""Adds the rate limit headers to the response of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .cors import expose_headers

if TYPE_CHECKING:
    from .request_state import RequestState
    from .types import Message, Send

Settle = Callable[["RequestState", "Message"], Awaitable[None]]
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class HeaderSender:
    """A `send` that adds the headers for all decisions at the start of the response.

    The state has no reference to it, to avoid a cycle: `send` has the scope with the state.
    """

    __slots__ = ("_expose", "_send", "_settle", "_state")

    def __init__(self, state: RequestState, send: Send, *, expose: bool = False, settle: Settle | None = None) -> None:
        """`expose` lets scripts of other origins read them. `settle` takes back what the response does not count."""
        state.sends_headers = True
        self._state = state
        self._send = send
        self._expose = expose
        self._settle = settle

    def __call__(self, message: Message) -> Awaitable[None]:
        # Not `async`: every request sends several messages, and a coroutine for each costs time.
        kind = message["type"]
        if kind in _STARTS or kind == "websocket.close":
            if self._settle and self._state.has_conditions:
                return self._settle_and_send(message, self._settle)
            self._add_headers(message)
        return self._send(message)

    async def _settle_and_send(self, message: Message, settle: Settle) -> None:
        await settle(self._state, message)
        self._add_headers(message)
        await self._send(message)

    def _add_headers(self, message: Message) -> None:
        state = self._state
        headers = state.headers() if message["type"] in _STARTS else ()
        if not headers:
            return
        others = message.get("headers", ())
        if state.is_denied:
            names = {name for name, _ in headers}
            others = [header for header in others if header[0].lower() not in names]
        message["headers"] = [*others, *headers]
        if self._expose:
            expose_headers(message, [name for name, _ in headers])
