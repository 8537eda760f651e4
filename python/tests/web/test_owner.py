"""The application whose exception handlers and CORS headers the middleware's responses have."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from ratelog.web.owner import Owner, OwnerFinder


def scope_of(path: str, **changes: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": [], **changes}


def find(app: Any, path: str, **changes: Any) -> Owner:
    """The owner that a middleware finds around a whole application."""
    return OwnerFinder(app).find(scope_of(path, **changes))


def endpoint(_: Any) -> PlainTextResponse:
    return PlainTextResponse("x")


def test_the_innermost_application_on_the_way_is_the_owner() -> None:
    innermost = Starlette(routes=[Route("/x", endpoint)])
    inner = Starlette(routes=[Mount("/{deep}", GZipMiddleware(innermost)), Route("/x", endpoint)])
    app = FastAPI()
    app.mount("/sub/{tenant}", inner)
    app.mount("/text", PlainTextResponse("of no application"))
    expected = {"/x": app, "/text": app, "/sub/a/x": inner, "/sub/a/b/x": innermost, "/sub/a/b/nope": innermost}
    assert {path: find(app, path).app for path in expected} == expected
    assert find(app, "/sub/a/b/x").scope == {
        "root_path": "/sub/a/b",
        "app_root_path": "",
        "path_params": {"tenant": "a", "deep": "b"},
    }
    # A middleware of the application itself has its router inside.
    assert OwnerFinder(GZipMiddleware(app.router)).find(scope_of("/sub/a/x", app=app)).app is inner
    assert OwnerFinder(app).find(scope_of("/sub/a/x", app=app)).app is inner


def test_an_endpoint_before_a_mount_goes_first() -> None:
    sub = FastAPI()
    app = FastAPI()
    app.get("/sub/first")(lambda: 1)
    app.mount("/sub", sub)
    app.get("/sub/last")(lambda: 1)
    assert [find(app, path).app for path in ("/sub/first", "/sub/last", "/first")] == [app, sub, app]
    assert find(app, "/sub/first", method="POST").app is sub


def test_mounts_in_included_routers_and_hosts_are_entered() -> None:
    sub, named = FastAPI(), FastAPI()
    router = APIRouter()
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.router.routes.append(Host("sub.example.com", named))
    app.router.routes.append(Mount("/group", routes=[Mount("/inner", sub)]))
    assert find(app, "/x", headers=[(b"host", b"sub.example.com")]).app is named
    assert find(app, "/group/inner/x").app is sub
    router.mount("/late", sub)
    if find(app, "/v1/late/x").scope["root_path"]:  # since FastAPI 0.13x
        assert find(app, "/v1/late/x").app is sub


def test_a_mount_that_is_added_later_is_entered() -> None:
    app, sub = FastAPI(), FastAPI()
    finder = OwnerFinder(app)
    assert finder.find(scope_of("/sub/x")).app is app
    app.mount("/sub", sub)
    assert finder.find(scope_of("/sub/x")).app is sub


def test_another_framework_has_no_owner() -> None:
    assert find(PlainTextResponse("x"), "/x") == Owner(None, {"root_path": ""}, [])


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_cors_middlewares_on_the_way_are_found(wrapped: bool) -> None:
    def cors(origin: str) -> Middleware:
        return Middleware(CORSMiddleware, allow_origins=[origin])

    sub = Starlette(routes=[Route("/x", endpoint)], middleware=[cors("https://sub")])
    mount = Mount("/sub", sub, middleware=[cors("https://mount")])
    app = Starlette(routes=[mount, Route("/x", endpoint)], middleware=[Middleware(GZipMiddleware), cors("https://app")])

    def origins(path: str) -> list[str]:
        found = find(GZipMiddleware(app) if wrapped else app, path)
        return [origin for middleware in found.cors for origin in middleware.allow_origins]

    assert origins("/x") == ["https://app"]
    assert origins("/sub/x") == ["https://app", "https://mount", "https://sub"]
