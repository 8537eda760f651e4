"""Which limits apply to a request: exempt paths and endpoints, and hostile requests."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.convertors import Convertor, register_url_convertor

from ratelog import ConfigError, RateLimiter
from ratelog.settings import EXEMPT
from ratelog.web import resolver
from support.asgi import client_for, status_of, statuses

ANY_BYTES = st.binary(max_size=40)
ANY_PATH = st.one_of(st.text(max_size=40), st.text("/.%{}*#?\n\r\0 a", max_size=20)).map(lambda path: f"/{path}")
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"x-forwarded-for", b"forwarded", b"x-api-key", b"host", b"authorization", b"x-other"]),
        ANY_BYTES,
    ),
    max_size=5,
)
CLIENTS = st.one_of(st.none(), st.tuples(st.text(max_size=20), st.integers(0, 70_000)), st.just(("192.0.2.1", 1)))


def app_of(**options: Any) -> FastAPI:
    limiter = RateLimiter(
        "memory://",
        default="1000000/minute",
        trusted_proxies=["192.0.2.0/24"],
        endpoints=[{"path": "/items/*", "limits": "1000000/minute"}],
        **options,
    )
    app = FastAPI()
    limiter.protect(app)

    @app.get("/items/{id}")
    @limiter.limit("1000000/minute", key="api_key")
    def item(id: str) -> str:  # noqa: A002
        return "item"

    return app


APP = app_of()


@given(path=ANY_PATH, headers=HEADERS, client=CLIENTS, method=st.sampled_from(["GET", "HEAD", "gEt", "", "X" * 50]))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
async def test_any_request_gets_a_response(
    path: str, headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None, method: str
) -> None:
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": client, "query_string": b""}
    assert await status_of(APP, scope) in (200, 307, 404, 405)


@pytest.mark.parametrize("options", [{"default_per_endpoint": "1/hour"}, {"default": "1/hour"}])
async def test_a_request_with_a_method_in_another_case_does_not_change_the_limits_of_others(
    options: dict[str, Any],
) -> None:
    limiter = RateLimiter("memory://", **options)
    app = FastAPI()
    limiter.protect(app)
    app.get("/x")(lambda: 1)
    app.get("/free")(limiter.exempt(lambda: 1))
    scope = {"type": "http", "headers": [], "query_string": b"", "client": ("192.0.2.9", 1)}
    for path in ("/x", "/free"):
        await status_of(app, {**scope, "method": "get", "path": path})
    assert await statuses(app, "/x", "/x", "/free", "/free") == [200, 429, 200, 200]


async def test_an_error_of_a_convertor_is_that_of_the_router() -> None:
    fails = True

    class Failing(Convertor[str]):
        regex = "[^/]+"

        def convert(self, value: str) -> str:
            if fails:
                raise HTTPException(404)
            return value

        def to_string(self, value: str) -> str:
            return value

    register_url_convertor("failing", Failing())
    app = FastAPI()
    limiter = RateLimiter("memory://", default="1/hour")
    limiter.protect(app)
    app.get("/x/{value:failing}")(limiter.exempt(lambda: 1))
    app.mount("/{name:failing}", FastAPI())
    assert await statuses(app, "/x/1", "/x/1") == [404, 429]
    # The error is not remembered.
    fails = False
    assert await statuses(app, "/x/1", "/x/1") == [200, 200]


@given(header=ANY_BYTES)
@settings(max_examples=100, deadline=None)
async def test_headers_of_an_untrusted_peer_never_evade_the_limit(header: bytes) -> None:
    scope = {"type": "http", "method": "GET", "path": "/x", "client": ("198.51.100.1", 1), "query_string": b""}
    limiter = RateLimiter("memory://", default="1/minute", trusted_proxies=["192.0.2.0/24"])
    app = FastAPI()
    limiter.protect(app)
    assert await status_of(app, {**scope, "headers": []}) == 404
    assert await status_of(app, {**scope, "headers": [(b"x-forwarded-for", header), (b"forwarded", header)]}) == 429


async def test_ten_thousand_paths_use_bounded_memory() -> None:
    app = app_of()
    async with client_for(app) as client:
        for number in range(10_000):
            await client.get(f"/{'long' * (number % 100)}/{number}")
    limiter: Any = app.user_middleware[0].kwargs["limiter"]
    (known,) = limiter._web.enforcer._resolvers.values()
    assert len(known._cache) <= resolver.MAX_CACHED
    assert all(sum(map(len, place)) <= resolver.MAX_CACHED_LENGTH for place in known._cache)
    gc.collect()
    assert sum(sys.getsizeof(place[1]) for place in known._cache) < 2_000_000
    assert limiter.health().local_keys == 1


DOCS = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")


async def test_documentation_and_health_paths_are_exempt_by_default() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI()
    limiter.protect(app)
    assert await statuses(app, *DOCS) == [200] * 4
    assert await statuses(app, *EXEMPT, "/x", "/docs", "/x") == [404] * 6 + [200, 429]


async def test_the_documentation_is_exempt_wherever_it_is() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI(docs_url="/help", redoc_url=None, openapi_url="/v1/schema.json")
    sub = FastAPI()
    app.mount("/sub", sub)
    limiter.protect(app)
    assert await statuses(app, "/help", "/v1/schema.json", "/sub/docs", "/sub/openapi.json") == [200] * 4
    assert await statuses(app, "/docs", "/redoc") == [404, 429]


async def test_configured_paths_are_exempt_in_addition_to_the_defaults() -> None:
    exempt = ["/static/*", "/users/{id:int}/avatar"]
    free = ["/static/", "/static/a/b", "/users/7/avatar"]
    for exempt_defaults, docs in ((True, [200, 404]), (False, [200, 429])):
        limiter = RateLimiter("memory://", default="1/minute", exempt=exempt, exempt_defaults=exempt_defaults)
        app = FastAPI()
        limiter.protect(app)
        assert await statuses(app, "/docs", "/health") == docs
        assert await statuses(app, *free) == [404] * 3
        others = await statuses(app, "/x", "/static", "/users/x/avatar", "/users/7/avatar/x")
        assert others[1:] == [429] * 3


@pytest.mark.parametrize("middleware", [True, False])
@pytest.mark.parametrize("above", [True, False])
async def test_an_exempt_endpoint_has_no_limits(middleware: bool, above: bool) -> None:
    def late(x: str = Header("u")) -> str:
        return x

    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI(dependencies=[Depends(limiter("1/hour")), Depends(limiter("1/day", key=late))])
    if middleware:
        limiter.protect(app)

    def endpoint() -> int:
        return 1

    limit = limiter.limit("1/minute")
    wrapped: Any = limiter.exempt(limit(endpoint)) if above else limit(limiter.exempt(endpoint))
    app.get("/")(wrapped)
    assert await statuses(app, *["/"] * 3) == [200] * 3


@pytest.mark.parametrize("middleware", [True, False])
@pytest.mark.parametrize(
    "options", [{"exempt": ["/e"]}, {"endpoints": [{"path": "/e", "exempt": True}]}], ids=["exempt", "endpoints"]
)
async def test_an_exempt_path_is_not_limited_by_dependencies(middleware: bool, options: dict[str, Any]) -> None:
    def late(x: str = Header("u")) -> str:
        return x

    limiter = RateLimiter("memory://", **options)
    app = FastAPI()
    if middleware:
        limiter.protect(app)

    @app.get("/e", dependencies=[Depends(limiter("1/minute")), Depends(limiter("1/minute", key=late))])
    @app.get("/limited", dependencies=[Depends(limiter("1/minute"))])
    def endpoint() -> int:
        return 1

    assert await statuses(app, "/e", "/e", "/limited", "/limited") == [200, 200, 200, 429]


@pytest.mark.parametrize("path", ["static/*", "", "/a/*/b"])
def test_an_invalid_path_is_rejected(path: str) -> None:
    with pytest.raises(ConfigError, match=r"begins with '/'|allowed at the end only"):
        RateLimiter("memory://", exempt=[path])
