"""The path and the method of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ratelog import RateLimiter
from ratelog.web.scope import method_of, path_of
from support.asgi import status_of
from support.starlette_apps import WITH_AND_WITHOUT, app_of

if TYPE_CHECKING:
    from typing import Any


@WITH_AND_WITHOUT
async def test_the_case_of_a_method_does_not_evade_a_limit(middleware: bool) -> None:
    limiter = RateLimiter("memory://")

    class Endpoint(HTTPEndpoint):
        @limiter.limit("1/hour", methods=["POST"])
        async def post(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("posted")

        async def dispatch(self) -> None:
            # As in Starlette before 0.46: a method in any case finds its handler.
            request = Request(self.scope, self.receive)
            response = await getattr(self, request.method.lower())(request)
            await response(self.scope, self.receive, self.send)

    app = app_of(limiter, middleware, Route("/x", Endpoint))
    scope: dict[str, Any] = {"type": "http", "path": "/x", "headers": [], "client": None, "query_string": b""}
    methods = ("POST", "post", "Post")
    assert [await status_of(app, {**scope, "method": method}) for method in methods] == [200, 429, 429]


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [("/a", "", "/a"), ("", "", "/"), ("/v1/a", "/v1", "/a"), ("/v1", "/v1", "/"), ("/v1a", "/v1", "/v1a")],
)
def test_the_path_is_that_within_the_application(path: str, root_path: str, expected: str) -> None:
    assert path_of({"type": "http", "path": path, "root_path": root_path}) == expected


def test_a_request_cannot_call_itself_a_websocket() -> None:
    assert method_of({"type": "http", "method": "websocket"}) == ""
    assert method_of({"type": "websocket"}) == "WEBSOCKET"
    assert method_of({"type": "http", "method": "get"}) == "GET"
