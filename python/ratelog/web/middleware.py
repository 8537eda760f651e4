"""The middleware that every request passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .resolver import UNKNOWN

if TYPE_CHECKING:
    from .registry import Declarations
    from .types import ASGIApp, Message, Receive, Scope, Send


class RateLimitMiddleware:
    """Limits all requests of an ASGI application: `app.add_middleware(RateLimitMiddleware, limiter=limiter)`.

    What the defaults, the configuration and the endpoint's own limits say is checked together, in one round trip,
    before the application sees the request. Every response tells of it, but Starlette's own to an error that nobody
    handles. Starts and closes the limiter with the application.

    What a function of a key, cost or plan raises is answered by the application's exception handlers. A key of the user
    needs the authentication middleware around this one: added after it.
    """

    def __init__(self, app: ASGIApp, limiter: Declarations) -> None:
        # Not at the head: the rest of the package does without Starlette.
        from starlette.requests import HTTPConnection, Request

        self.app = app
        self.limiter = limiter
        self._request = Request
        self._connection = HTTPConnection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._with_lifespan(send))
            return
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        passage = self.limiter.passage(scope)
        # Where the middleware of an application around this one tells of it all, this one does not.
        telling = send if passage.has_told else passage.telling(send)
        planner = self.limiter.planner(scope, self.app)
        plan = planner.plan(scope) if planner is not None else UNKNOWN
        passage.follow(plan)
        if plan.applied and not passage.is_exempt:
            connection = self._request(scope) if scope["type"] == "http" else self._connection(scope)
            try:
                denial = await passage.check(plan.applied, connection)
            except Exception as error:  # noqa: BLE001  # raised again if nobody handles it
                from .responses import answer_error

                await answer_error(error, scope, receive, telling)
                return
            if denial is not None:
                from .responses import refuse

                await refuse(passage, connection, receive, telling)
                return
        await self.app(scope, receive, telling)

    def _with_lifespan(self, send: Send) -> Send:
        async def also(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self.limiter.start()
            elif message["type"] == "lifespan.shutdown.complete":
                await self.limiter.aclose()
            await send(message)

        return also
