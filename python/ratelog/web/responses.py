"""The responses to denied requests."""

from __future__ import annotations

from inspect import unwrap
from typing import TYPE_CHECKING, Any, cast

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import Response

from .callables import maybe_await
from .header_sender import HeaderSender

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection

    from .request_state import Denial, RequestState
    from .types import Receive, Scope, Send
else:
    # Applications register handlers for FastAPI's class, which is derived from Starlette's.
    try:
        from fastapi import HTTPException
    except ImportError:
        from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"
TOO_MANY_REQUESTS = 429
TRY_AGAIN_LATER = 1013
"""The close code of a denied WebSocket if its server cannot send a response."""


class RateLimited(HTTPException):
    """The limit of an endpoint denied the request. Handlers of `HTTPException` and of status 429 handle it, too."""

    def __init__(self, denial: Denial) -> None:
        headers = None
        if not denial.state.sends_headers:
            headers = {name.decode(): value.decode() for name, value in denial.headers()}
        super().__init__(TOO_MANY_REQUESTS, "Request cannot be satisfied as assigned quota has been exceeded", headers)
        self.denial = denial


class HandledDenial(Exception):  # noqa: N818 - no error, as RateLimited
    """A denial for which the program registered a function with `on_denied`.

    It goes before the application's own handlers, so it is no `HTTPException`.
    """

    def __init__(self, denial: Denial) -> None:
        super().__init__(TOO_MANY_REQUESTS)
        self.denial = denial


def denial_error(denial: Denial, connection: HTTPConnection) -> Exception:
    """Returns the error to raise in an endpoint. Makes the application respond to it as the middleware does."""
    # The application's handlers of HTTP errors cannot respond to a WebSocket.
    is_handled = denial.handler is not None or connection.scope["type"] == "websocket"
    error = HandledDenial(denial) if is_handled else RateLimited(denial)
    handlers = connection.scope.get("starlette.exception_handlers")
    if handlers is not None and (is_handled or not _has_own_handler(*handlers)):
        handlers[0].setdefault(type(error), _handle)
    return error


async def send_denial(denial: Denial, connection: HTTPConnection, receive: Receive, send: Send) -> None:
    """Responds to a denied request: by the function of `on_denied`, else by the application's handler, else by problem
    details. `send` adds the headers.
    """
    scope = connection.scope
    if scope["type"] == "websocket" and not _can_send_response(scope):
        await receive()
        await _close_websocket(send)
        return
    handlers = _handlers_of(scope)
    if scope["type"] == "http" and denial.handler is None and _has_own_handler(handlers, handlers):
        await send_error(RateLimited(denial), scope, receive, send)
        return

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        await (await denial_response(denial, connection))(scope, receive, send)

    # The function of `on_denied` may raise an error, for which the application has a handler.
    responder: Any = respond if denial.handler is None else ExceptionMiddleware(respond, handlers)
    await responder(scope, receive, send)


async def denial_response(denial: Denial, connection: HTTPConnection) -> Response:
    """The response to a denied request, without rate limit headers."""
    if denial.handler is None:
        return Response(denial.problem(), TOO_MANY_REQUESTS, media_type=PROBLEM_JSON)
    response = await maybe_await(denial.handler(connection, denial))
    if not isinstance(response, Response):
        raise TypeError(f"the denial handler must return a Response, not {type(response).__name__}")
    response.status_code = TOO_MANY_REQUESTS
    return response


def _has_own_handler(by_class: Mapping[Any, Any], by_status: Mapping[Any, Any]) -> bool:
    """Whether the application has a handler of its own that applies to `RateLimited`."""
    if TOO_MANY_REQUESTS in by_status:
        return True
    handler = unwrap(next((by_class[kind] for kind in RateLimited.__mro__ if kind in by_class), _handle))
    module = getattr(handler, "__module__", "")
    return handler is not _handle and not module.startswith(("fastapi.", "starlette."))


async def _handle(connection: HTTPConnection, error: RateLimited | HandledDenial) -> Any:
    denial = error.denial
    if connection.scope["type"] == "websocket":
        return _WebSocketDenial(denial, connection)
    return await denial_response(denial, connection)


def add_headers(state: RequestState, response: Response) -> None:
    """Sets the rate limit headers on a response."""
    for name, value in state.headers():
        response.headers[name.decode()] = value.decode()


def _handlers_of(scope: Scope) -> Mapping[Any, Any]:
    """The application's exception handlers, without those of unexpected errors."""
    handlers = getattr(scope.get("app"), "exception_handlers", {})
    return {kind: handler for kind, handler in handlers.items() if kind not in (500, Exception)}


async def send_error(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Responds to an error as if the endpoint had raised it."""

    async def fail(*_: object) -> None:
        raise error

    handlers = _handlers_of(scope)
    # Two, as around an endpoint: the outer one handles an error that a handler raises.
    responder = ExceptionMiddleware(ExceptionMiddleware(cast("Any", fail), handlers), handlers)
    await responder(cast("Any", scope), cast("Any", receive), cast("Any", send))


class _WebSocketDenial:
    """Denies a WebSocket: by a response, or by closing it."""

    def __init__(self, denial: Denial, connection: HTTPConnection) -> None:
        self._denial = denial
        self._connection = connection

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        state = self._denial.state
        if _can_send_response(self._connection.scope):
            await send_denial(
                self._denial, self._connection, receive, send if state.sends_headers else HeaderSender(state, send)
            )
        else:
            await _close_websocket(send)


def _can_send_response(scope: Scope) -> bool:
    return "websocket.http.response" in scope.get("extensions", {})


async def _close_websocket(send: Send) -> None:
    await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "rate limited"})
