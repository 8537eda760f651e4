"""The ASGI middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parts import parts_of
from .resolver import UNKNOWN

if TYPE_CHECKING:
    from .parts import HasWebParts
    from .types import ASGIApp, Message, Receive, Scope, Send


class RateLimitMiddleware:
    """Limits all requests of an ASGI application: `app.add_middleware(RateLimitMiddleware, limiter=limiter)`.

    Checks the defaults, the limits of the settings and the endpoint's own limits together, in one round trip, before
    the application handles the request. Adds the headers to every response except Starlette's response to an unhandled
    error. Starts and closes the limiter with the application.

    The application's exception handlers handle the exceptions of key, cost and plan functions. If you limit by user,
    add the authentication middleware after this one, so that it runs first.
    """

    def __init__(self, app: ASGIApp, limiter: HasWebParts) -> None:
        # Imported here because the rest of the package does not need Starlette.
        from starlette.requests import HTTPConnection, Request

        parts = parts_of(limiter)
        self.app = app
        self._enforcer = parts.enforcer
        self._start = parts.start
        self._aclose = parts.aclose
        self._request = Request
        self._connection = HTTPConnection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles an ASGI connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._with_lifespan(send))
            return
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        enforcer = self._enforcer
        state = enforcer.state(scope)
        # The middleware of an outer application may add the headers already.
        send_with_headers = send if state.sends_headers else state.with_headers(send)
        resolver = enforcer.resolver(scope, self.app)
        limits = resolver.resolve(scope) if resolver is not None else UNKNOWN
        state.set_limits(limits)
        if limits.applied and not state.is_exempt:
            connection = self._request(scope) if scope["type"] == "http" else self._connection(scope)
            try:
                denial = await enforcer.check(state, limits.applied, connection)
            except Exception as error:  # noqa: BLE001 - raised again if the application does not handle it
                from .responses import send_error

                await send_error(error, scope, receive, send_with_headers)
                return
            if denial is not None:
                from .responses import send_denial

                await send_denial(state, connection, receive, send_with_headers)
                return
        await self.app(scope, receive, send_with_headers)

    def _with_lifespan(self, send: Send) -> Send:
        async def send_after_hook(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._start()
            elif message["type"] == "lifespan.shutdown.complete":
                await self._aclose()
            await send(message)

        return send_after_hook
