"""The response to a request that is denied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import Response

from .limit import settled

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .request_state import Denial, Passage
    from .types import Receive, Scope, Send

PROBLEM = "application/problem+json"
TOO_MANY_REQUESTS = 429
TRY_AGAIN_LATER = 1013
"""The code that a WebSocket is closed with where its server cannot send a response."""


class RateLimited(HTTPException):
    """An endpoint's own limit denies the request. What handles `HTTPException` handles it."""

    def __init__(self, denial: Denial) -> None:
        headers = (
            None if denial.passage.has_told else {name.decode(): value.decode() for name, value in denial.fields()}
        )
        super().__init__(TOO_MANY_REQUESTS, "Request cannot be satisfied as assigned quota has been exceeded", headers)
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
    response = await settled(handler(connection, denial))
    if not isinstance(response, Response):
        raise TypeError(f"what handles denials gives a Response, not {type(response).__name__}")
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
    if not passage.has_told:
        tell(passage, response)
    return response


def tell(passage: Passage, response: Response) -> None:
    """Puts the header fields on a response, where no middleware does."""
    for name, value in passage.fields():
        response.headers[name.decode()] = value.decode()


async def answer_error(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers an error as it would be answered if the endpoint had raised it."""

    async def fail(*_: object) -> None:
        raise error

    handlers = getattr(scope.get("app"), "exception_handlers", {})
    known = {kind: handler for kind, handler in handlers.items() if kind not in (500, Exception)}
    await ExceptionMiddleware(cast("Any", fail), known)(cast("Any", scope), cast("Any", receive), cast("Any", send))


class _Refusal:
    """A response that may be the closing of a WebSocket."""

    def __init__(self, passage: Passage, connection: HTTPConnection) -> None:
        self._passage = passage
        self._connection = connection

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        if "websocket.http.response" in self._connection.scope.get("extensions", {}):
            passage = self._passage
            await refuse(passage, self._connection, receive, send if passage.has_told else passage.telling(send))
        else:
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "rate limited"})
