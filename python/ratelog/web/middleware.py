"""The middleware that every request passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .planner import Plan

if TYPE_CHECKING:
    from .declarations import Declarations
    from .passage import Passage
    from .types import ASGIApp, Message, Receive, Scope, Send

_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class RateLimitMiddleware:
    """Limits all requests of an ASGI application: `app.add_middleware(RateLimitMiddleware, limiter=limiter)`.

    What the defaults, the configuration and the endpoint's own limits say is checked together, in one round trip,
    before the application sees the request. Every response tells of it. Starts and closes the limiter with the
    application.
    """

    def __init__(self, app: ASGIApp, limiter: Declarations) -> None:
        self.app = app
        self.limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._with_lifespan(send))
            return
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        from starlette.requests import HTTPConnection

        passage = self.limiter.passage(scope)
        if passage.has_middleware:
            # The middleware of an application around this one tells of it all.
            telling = send
        else:
            passage.has_middleware = True
            telling = _telling(passage, send)
        planner = self.limiter.planner(scope, self.app)
        plan = planner.plan(scope) if planner is not None else Plan(())
        passage.is_exempt = passage.is_exempt or plan.exempt
        if plan.applied:
            connection = HTTPConnection(scope)
            if await passage.check(plan.applied, connection):
                from .refusal import refuse

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


def _telling(passage: Passage, send: Send) -> Send:
    """Adds the header fields of all that was checked by the time the response begins."""

    async def telling(message: Message) -> None:
        if message["type"] in _STARTS:
            fields = passage.fields()
            if fields:
                message["headers"] = [*message.get("headers", ()), *fields]
        await send(message)

    return telling
