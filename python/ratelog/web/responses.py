"""The responses to denied requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import Response

from .callables import maybe_await

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .request_state import Denial, RequestState
    from .types import Receive, Scope, Send

PROBLEM_JSON = "application/problem+json"
TOO_MANY_REQUESTS = 429
TRY_AGAIN_LATER = 1013
"""The close code of a denied WebSocket if its server cannot send a response."""


class RateLimited(HTTPException):
    """The limit of an endpoint denied the request. Handlers of `HTTPException` handle it, too."""

    def __init__(self, denial: Denial) -> None:
        headers = None
        if not denial.state.sends_headers:
            headers = {name.decode(): value.decode() for name, value in denial.headers()}
        super().__init__(TOO_MANY_REQUESTS, "Request cannot be satisfied as assigned quota has been exceeded", headers)
        self.denial = denial


async def send_denial(state: RequestState, connection: HTTPConnection, receive: Receive, send: Send) -> None:
    """Responds to a denied request. `send` adds the headers."""
    scope = connection.scope
    if scope["type"] == "websocket" and not _can_send_response(scope):
        await receive()
        await _close_websocket(send)
        return
    response = await denial_response(state, connection)
    await response(cast("Any", scope), cast("Any", receive), cast("Any", send))


async def denial_response(state: RequestState, connection: HTTPConnection) -> Response:
    """The response to a denied request, without rate limit headers."""
    denial = state.denial
    if denial is None:
        raise RuntimeError("the request is not denied")
    handler = state.registry.denial_handler
    if handler is None:
        return Response(denial.problem(), TOO_MANY_REQUESTS, media_type=PROBLEM_JSON)
    response = await maybe_await(handler(connection, denial))
    if not isinstance(response, Response):
        raise TypeError(f"the denial handler must return a Response, not {type(response).__name__}")
    response.status_code = TOO_MANY_REQUESTS
    return response


def register_handler(scope: Scope) -> None:
    """Makes the application respond to `RateLimited` as the middleware does, unless it has a handler of its own."""
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None:
        handlers[0].setdefault(RateLimited, _handle_rate_limited)


async def _handle_rate_limited(connection: HTTPConnection, error: RateLimited) -> Any:
    state = error.denial.state
    if connection.scope["type"] == "websocket":
        return _WebSocketDenial(state, connection)
    response = await denial_response(state, connection)
    if not state.sends_headers:
        add_headers(state, response)
    return response


def add_headers(state: RequestState, response: Response) -> None:
    """Sets the rate limit headers on a response."""
    for name, value in state.headers():
        response.headers[name.decode()] = value.decode()


async def send_error(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Responds to an error as if the endpoint had raised it."""

    async def fail(*_: object) -> None:
        raise error

    handlers = getattr(scope.get("app"), "exception_handlers", {})
    specific = {kind: handler for kind, handler in handlers.items() if kind not in (500, Exception)}
    await ExceptionMiddleware(cast("Any", fail), specific)(cast("Any", scope), cast("Any", receive), cast("Any", send))


class _WebSocketDenial:
    """Denies a WebSocket: by a response, or by closing it."""

    def __init__(self, state: RequestState, connection: HTTPConnection) -> None:
        self._state = state
        self._connection = connection

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        state = self._state
        if _can_send_response(self._connection.scope):
            await send_denial(
                state, self._connection, receive, send if state.sends_headers else state.with_headers(send)
            )
        else:
            await _close_websocket(send)


def _can_send_response(scope: Scope) -> bool:
    return "websocket.http.response" in scope.get("extensions", {})


async def _close_websocket(send: Send) -> None:
    await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "rate limited"})
