"""Cross-origin requests: preflights, responses that Starlette's `CORSMiddleware` has to see, and exposed headers."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.middleware.cors import CORSMiddleware

    from .types import ASGIApp, Message, Scope

_REQUEST_METHOD = b"access-control-request-method"
_EXPOSE = b"access-control-expose-headers"


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks for permission to send the actual request."""
    return scope.get("method") == "OPTIONS" and any(name == _REQUEST_METHOD for name, _ in scope["headers"])


def is_cross_origin(scope: Scope) -> bool:
    """Whether a browser's script sent the request from another page's origin."""
    for name, _ in scope["headers"]:  # noqa: SIM110 - faster than any(), and every request comes here
        if name == b"origin":
            return True
    return False


def with_cors(middlewares: Sequence[CORSMiddleware], responder: ASGIApp) -> ASGIApp:
    """Returns `responder` behind copies of these middlewares, the outermost first.

    A response that a middleware sends before them would have no CORS headers, so that browsers hide it.
    """
    for middleware in reversed(middlewares):
        cors = copy(middleware)
        cors.app = responder
        responder = cors
    return responder


def replaces_exposed_headers(app: Any, inner: Any) -> bool:
    """Whether a `CORSMiddleware` outside the limiter's middleware has exposed headers of its own.

    `inner` is the application inside the limiter's middleware.
    """
    from starlette.middleware.cors import CORSMiddleware

    outer = getattr(app, "middleware_stack", None)
    while outer is not None and outer is not inner:
        if isinstance(outer, CORSMiddleware):
            return "Access-Control-Expose-Headers" in outer.simple_headers
        outer = getattr(outer, "app", None)
    return False


def expose_headers(message: Message, names: list[bytes]) -> None:
    """Lets scripts of other origins read these headers of a response."""
    title = [b"-".join(word.capitalize() for word in name.split(b"-")) for name in names]
    title = [name.replace(b"Ratelimit", b"RateLimit") for name in title]
    headers = message["headers"]
    others = [value for name, value in headers if name.lower() == _EXPOSE]
    if b"*" in others:
        return
    # Another limiter may have listed them.
    listed = {name.strip().lower() for value in others for name in value.split(b",")}
    value = b", ".join([*others, *(name for name in title if name.lower() not in listed)])
    message["headers"] = [*((name, old) for name, old in headers if name.lower() != _EXPOSE), (_EXPOSE, value)]
