"""The ASGI middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cors import is_cross_origin, is_preflight, with_cors
from .header_sender import HeaderSender
from .parts import parts_of
from .replay import Replay
from .resolver import UNKNOWN
from .route_table import routed

if TYPE_CHECKING:
    from .parts import HasWebParts
    from .request_state import Denial, RequestState
    from .resolver import RequestLimits
    from .types import ASGIApp, Message, Receive, Scope, Send


_SERVER_ERROR: Message = {"type": "http.response.start", "status": 500}
"""The response to an error that the application does not handle."""


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

        from .owner import OwnerFinder

        parts = parts_of(limiter)
        self.app = app
        self._routed = routed(app) or app
        self._enforcer = parts.enforcer
        self._startup = parts.startup
        self._aclose = parts.aclose
        self._owners = OwnerFinder(app)
        self._is_documented = False
        self._request = Request
        self._connection = HTTPConnection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles an ASGI connection."""
        if scope["type"] not in ("http", "websocket"):
            await (self._run_lifespan if scope["type"] == "lifespan" else self.app)(scope, receive, send)
            return
        enforcer = self._enforcer
        if not self._is_documented:
            self._document(scope.get("app"))
            self._startup.report_misplaced(scope.get("app"))
        if enforcer.ignores(scope):
            await self.app(scope, receive, send)
            return
        state = enforcer.state(scope)
        # The middleware of an outer application may add the headers already.
        if state.sends_headers:
            send_with_headers: Send = send
        else:
            expose = enforcer.registry.settings.expose_headers and is_cross_origin(scope)
            send_with_headers = HeaderSender(state, send, expose=expose, settle=enforcer.settle)
        resolver = enforcer.resolver(scope, self._routed)
        limits = resolver.resolve(scope) if resolver is not None else UNKNOWN
        state.set_limits(limits)
        if limits.applied and not state.is_exempt:
            reason, receive = await self._check(state, limits, scope, receive)
            if reason is not None:
                await self._respond(reason, limits, scope, receive, send_with_headers)
                return
        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            if state.has_conditions:
                await enforcer.settle(state, _SERVER_ERROR)
            raise

    async def _check(
        self, state: RequestState, limits: RequestLimits, scope: Scope, receive: Receive
    ) -> tuple[Denial | Exception | None, Receive]:
        """Returns the denial, or the error of a function. The second value receives the whole body, even if a function
        has read it.
        """
        replay = Replay(receive)
        try:
            if limits.early is not None and not state.checked:
                return await self._enforcer.check_early(state, limits.early, scope), receive
            denial = await self._check_with_functions(state, limits, scope, replay)
            return denial, replay.receive()
        except Exception as error:  # noqa: BLE001 - raised again if the application does not handle it
            return error, replay.receive()

    async def _check_with_functions(
        self, state: RequestState, limits: RequestLimits, scope: Scope, replay: Replay
    ) -> Denial | None:
        """Lets functions read the body and, as in the endpoint, the parameters of the path."""
        path_params = scope.get("path_params")
        # A mount may have set some, also if the application has no endpoint for the path.
        scope["path_params"] = {**(path_params or {}), **limits.path_params}
        try:
            return await self._enforcer.check(state, limits.applied, self._connect(scope, replay.record))
        finally:
            if path_params is None:
                del scope["path_params"]
            else:
                scope["path_params"] = path_params

    def _connect(self, scope: Scope, receive: Receive) -> Any:
        return self._request(scope, receive) if scope["type"] == "http" else self._connection(scope)

    async def _respond(
        self, reason: Denial | Exception, limits: RequestLimits, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Responds as the endpoint would: its application has the exception handlers and the CORS headers, and
        functions and handlers find the parameters of the path.
        """
        from .responses import send_denial, send_error

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            if isinstance(reason, Exception):
                await send_error(reason, scope, receive, send)
            else:
                await send_denial(reason, self._connect(scope, receive), receive, send)

        owner = self._owners.find(scope)
        scope.update(owner.scope)
        scope["path_params"] = {**scope.get("path_params", {}), **limits.path_params}
        if owner.app is not None:
            scope["app"] = owner.app
        # `CORSMiddleware` would answer a preflight itself.
        responder = respond if is_preflight(scope) else with_cors(owner.cors, respond)
        await responder(scope, receive, send)

    def _document(self, app: Any) -> None:
        self._is_documented = True
        if any(protected is app for protected in self._enforcer.registry.apps):
            from .openapi import document

            document(app, self._enforcer)

    async def _run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_running = False

        async def stop() -> None:
            nonlocal is_running
            if is_running:
                is_running = False
                self._startup.stopped()
                await self._aclose()

        async def send_after_hook(message: Message) -> None:
            nonlocal is_running
            if message["type"] == "lifespan.startup.complete":
                is_running = True
                self._startup.started()
                self._document(scope.get("app"))
                await self._startup.run(scope.get("app"), self.app)
            else:
                # The server may end the event loop after the last message, also after one of a failure.
                await stop()
            await send(message)

        try:
            await self.app(scope, receive, send_after_hook)
        finally:
            # An application may raise an error, or be cancelled, without a message.
            await stop()
