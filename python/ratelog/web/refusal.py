"""The response to a request that is denied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException
from starlette.responses import Response

from .limit import settled

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .passage import Denial, Passage
    from .types import Receive, Scope, Send

PROBLEM = "application/problem+json"
TOO_MANY_REQUESTS = 429
TRY_AGAIN_LATER = 1013
"""The code that a WebSocket is closed with where its server cannot send a response."""


class RateLimited(HTTPException):
    """An endpoint's own limit denies the request. What handles `HTTPException` handles it."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(TOO_MANY_REQUESTS, "Request cannot be satisfied as assigned quota has been exceeded")
        self.denial = denial


async def refuse(passage: Passage, connection: HTTPConnection, receive: Receive, send: Send) -> None:
    """Answers a denied request; `send` adds the header fields."""
    scope = connection.scope
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "rate limited"})
        return
    response = await answer(passage, connection)
    await response(cast("Any", scope), cast("Any", receive), cast("Any", send))


async def answer(passage: Passage, connection: HTTPConnection) -> Response:
    """The response, without the header fields of limits."""
    denial = passage.denial
    if denial is None:
        raise RuntimeError("a request that is not denied is not refused")
    handler = passage.limiter.denial_handler
    if handler is None:
        return Response(denial.problem(), TOO_MANY_REQUESTS, media_type=PROBLEM)
    response: Response = await settled(handler(connection, denial))
    response.status_code = TOO_MANY_REQUESTS
    return response


def handle(scope: Scope) -> None:
    """Has the application answer `RateLimited` as the middleware would, unless it has a handler of its own."""
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None:
        handlers[0].setdefault(RateLimited, _answer_raised)


async def _answer_raised(connection: HTTPConnection, error: RateLimited) -> Any:
    passage = error.denial.passage
    if connection.scope["type"] == "websocket":
        return _Refusal(passage, connection)
    response = await answer(passage, connection)
    if not passage.has_middleware:
        response.raw_headers.extend(error.denial.fields())
    return response


class _Refusal:
    """A response that may be the closing of a WebSocket."""

    def __init__(self, passage: Passage, connection: HTTPConnection) -> None:
        self._passage = passage
        self._connection = connection

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        if "websocket.http.response" in self._connection.scope.get("extensions", {}):
            await refuse(self._passage, self._connection, receive, send)
        else:
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "rate limited"})
