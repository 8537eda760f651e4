"""Adds the rate limit headers to the response of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from .cors import expose_headers

if TYPE_CHECKING:
    from .request_state import RequestState
    from .types import Message, Send

Settle = Callable[["RequestState", "Message"], Awaitable[None]]
_LISTS = frozenset({b"ratelimit", b"ratelimit-policy"})
"""The fields that several limiters share: recipients join their values to one list."""
_REMAINING = b"x-ratelimit-remaining"
_MAX_DIGITS = 18
"""An upstream server may send anything."""
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
        message["headers"] = _merged(message.get("headers", ()), headers, state.is_denied, message.get("status"))
        if self._expose:
            expose_headers(message, [name for name, _ in headers])


def _merged(
    others: Iterable[tuple[bytes, bytes]], own: Sequence[tuple[bytes, bytes]], is_denied: bool, status: int | None
) -> list[tuple[bytes, bytes]]:
    """Adds a limiter's headers to those of a response, so that a field that is no list occurs once.

    Another limiter or the application may have set it, for example for an upstream server. The fields of the one that
    denied the request stay, else those with the least remaining, and the first of a tie.
    """
    names = {name for name, _ in own}
    if not is_denied:
        names -= _LISTS
        if names and _is_binding(others, own, status):
            names.clear()
            own = [header for header in own if header[0] in _LISTS]
    if not names:
        return [*others, *own]
    return [*(header for header in others if header[0].lower() not in names), *own]


def _is_binding(others: Iterable[tuple[bytes, bytes]], own: Iterable[tuple[bytes, bytes]], status: int | None) -> bool:
    """Whether the fields of a response bind the client at least as much as those of a limiter that allowed it."""
    theirs = _remaining(others)
    mine = _remaining(own)
    return theirs is not None and (status == 429 or mine is None or theirs <= mine)


def _remaining(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    values = [value for name, value in headers if name.lower() == _REMAINING]
    return min((int(value) for value in values if value.isdigit() and len(value) <= _MAX_DIGITS), default=None)
