"""Limits in FastAPI's OpenAPI schema."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header
from starlette.responses import PlainTextResponse

from ratelog import RateLimiter
from support.asgi import fetch


def caller(x_user: Annotated[str, Header()]) -> str:
    return x_user


def app_of(limiter: RateLimiter) -> FastAPI:
    app = FastAPI()

    @app.get("/limited")
    @limiter.limit("10/second", "1000/hour", key="api_key")
    def limited() -> int:
        """Documented."""
        return 1

    @app.get("/free")
    @limiter.exempt
    def free() -> int:
        return 1

    @app.get("/items/{id}/{when}/{n:int}/{rest:path}", dependencies=[Depends(limiter("5/minute", key=caller))])
    @app.put("/items/{id}/{n}", dependencies=[Depends(limiter({"free": "1/day", "pro": "2/day"}))])
    def items(id: str, n: int, when: str = "", rest: str = "") -> int:  # noqa: A002
        return 1

    router = APIRouter(prefix="/r", dependencies=[Depends(limiter("4/minute", key=lambda _: "k"))])

    @router.get("/{id:uuid}/{n:int}/{x:float}")
    def of_router(id: str, n: int, x: float) -> int:  # noqa: A002
        return 1

    @router.get("/caller", dependencies=[Depends(limiter(lambda _: "1/minute"))])
    def by_caller() -> int:
        return 1

    app.include_router(router, prefix="/v1")
    limiter.protect(app)
    return app


def operation(schema: dict[str, Any], path: str, method: str = "get") -> dict[str, Any]:
    value: dict[str, Any] = schema["paths"][path][method]
    return value


def test_an_operation_documents_its_limits_and_the_429_response() -> None:
    schema = app_of(RateLimiter("memory://")).openapi()
    limited = operation(schema, "/limited")
    assert limited["description"] == "Documented.\n\n**Rate limit:** 10/second; 1000/hour per API key"
    denial = limited["responses"]["429"]
    assert list(denial["headers"]) == ["RateLimit-Policy", "RateLimit", "Retry-After"]
    assert denial["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/QuotaExceeded"}}}
    assert schema["components"]["schemas"]["QuotaExceeded"]["properties"]["status"]["const"] == 429
    assert "ratelog_decision_0" not in str(schema)


@pytest.mark.parametrize(
    ("path", "method", "words"),
    [
        ("/items/{id}/{when}/{n}/{rest}", "get", "5/minute per caller"),
        ("/items/{id}/{n}", "put", "free: 1/day, pro: 2/day per client address"),
        ("/v1/r/{id}/{n}/{x}", "get", "4/minute per caller"),
        ("/v1/r/caller", "get", "by caller per client address; 4/minute per caller"),
    ],
)
def test_parameters_routers_and_dependency_keys_are_found(path: str, method: str, words: str) -> None:
    value = operation(app_of(RateLimiter("memory://")).openapi(), path, method)["description"]
    assert set(value.removeprefix("**Rate limit:** ").split("; ")) == set(words.split("; "))


def test_defaults_and_settings_are_documented_but_exempt_paths_are_not() -> None:
    limiter = RateLimiter(
        "memory://",
        default="7/minute",
        key="tenant",
        endpoints=[{"path": "/v1/r/{id:uuid}/*", "policy": "uploads"}, {"path": "/limited", "exempt": True}],
    )
    schema = app_of(limiter).openapi()
    assert operation(schema, "/v1/r/{id}/{n}/{x}")["description"] == (
        "**Rate limit:** 7/minute per tenant, in all endpoints together; policy uploads per tenant; 4/minute per caller"
    )
    for path in ("/free", "/limited"):
        assert "429" not in operation(schema, path)["responses"]
        assert "Rate limit" not in operation(schema, path).get("description", "")


def test_nothing_is_added_without_limits() -> None:
    app = FastAPI()
    RateLimiter("memory://").protect(app)
    app.get("/")(lambda: 1)
    assert "429" not in str(app.openapi())
    assert "QuotaExceeded" not in str(app.openapi())


@pytest.mark.parametrize(("family", "count"), [("x-ratelimit", 4), ("x-ratelimit-epoch", 4), ("both", 6), ("none", 1)])
def test_the_documented_headers_are_those_of_the_family(family: str, count: int) -> None:
    denial = operation(app_of(RateLimiter("memory://", headers=family)).openapi(), "/limited")["responses"]["429"]
    assert len(denial["headers"]) == count
    reset = denial["headers"].get("X-RateLimit-Reset")
    assert reset is None or reset["description"].startswith("Unix time") == (family == "x-ratelimit-epoch")


def test_a_custom_response_has_no_problem_schema_and_an_existing_429_stays() -> None:
    limiter = RateLimiter("memory://")
    limiter.on_denied(lambda _, __: PlainTextResponse("no"))
    app = app_of(limiter)
    app.get("/own", responses={429: {"description": "my own"}})(limiter.limit("1/minute")(lambda: 1))
    schema = app.openapi()
    assert "content" not in operation(schema, "/limited")["responses"]["429"]
    assert operation(schema, "/own")["responses"]["429"]["description"] == "my own"


def test_an_existing_schema_is_generated_again() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI()
    app.get("/")(lambda: 1)
    app.openapi()
    limiter.protect(app)
    assert "429" in app.openapi()["paths"]["/"]["get"]["responses"]
    assert app.openapi() is app.openapi()


def test_a_custom_schema_is_extended() -> None:
    limiter = RateLimiter("memory://", default="1/minute")
    app = FastAPI()
    app.get("/")(lambda: 1)
    operations = {"summary": "not an operation", "parameters": [], "get": {"responses": {}}}
    app.openapi = lambda: {"openapi": "3.1.0", "paths": {"/": operations}}  # type: ignore[method-assign]
    limiter.protect(app)
    assert "429" in app.openapi()["paths"]["/"]["get"]["responses"]


async def test_a_schema_that_is_replaced_after_protect_is_extended() -> None:
    app = app_of(RateLimiter("memory://"))
    original = FastAPI.openapi

    def custom() -> dict[str, Any]:
        schema = original(app)
        schema["info"]["title"] = "Custom"
        return schema

    app.openapi = custom  # type: ignore[method-assign]
    for _ in range(2):
        schema = (await fetch(app, "/openapi.json")).json()
        assert schema["info"]["title"] == "Custom"
        assert operation(schema, "/limited")["description"].count("**Rate limit:** 10/second") == 1


async def test_mounted_applications_have_their_own_schema() -> None:
    limiter = RateLimiter("memory://", default="7/minute", endpoints=[{"path": "/sub/{x}/free", "exempt": True}])
    app, sub, inner = FastAPI(), FastAPI(), FastAPI()
    sub.get("/a", dependencies=[Depends(limiter("2/minute"))])(lambda: 1)
    sub.get("/free")(lambda: 1)
    inner.get("/b")(lambda: 1)
    sub.mount("/inner", inner)
    app.mount("/sub/{x}", sub)
    limiter.protect(app)
    schema = (await fetch(app, "/sub/1/openapi.json")).json()
    assert operation(schema, "/a")["description"] == (
        "**Rate limit:** 7/minute per client address, in all endpoints together; 2/minute per client address"
    )
    assert "429" not in operation(schema, "/free")["responses"]
    assert "429" in operation((await fetch(app, "/sub/1/inner/openapi.json")).json(), "/b")["responses"]


def test_the_description_can_be_left_out() -> None:
    limited = operation(app_of(RateLimiter("memory://", openapi_description=False)).openapi(), "/limited")
    assert limited["description"] == "Documented."
    assert "429" in limited["responses"]


def test_nothing_else_in_a_schema_changes() -> None:
    def build(limiter: RateLimiter | None) -> dict[str, Any]:
        app = FastAPI()

        def limited(endpoint: Any) -> Any:
            return endpoint if limiter is None else limiter.limit("5/minute", key=lambda _: "k", cost=len)(endpoint)

        def by(limits: str) -> list[Any]:
            return [] if limiter is None else [Depends(limiter(limits))]

        @app.post("/items/{item_id}", dependencies=by("5/minute"))
        @limited
        async def create_item(item_id: int, body: dict[str, int], x_token: Annotated[str, Header()]) -> list[int]:
            """Creates an item."""
            return [item_id]

        app.include_router(APIRouter(prefix="/r", dependencies=by("9/minute")))
        if limiter is not None:
            limiter.protect(app)
        return app.openapi()

    plain, documented = build(None), build(RateLimiter("memory://", default="9/hour", openapi_description=False))
    assert documented["paths"]["/items/{item_id}"]["post"]["responses"].pop("429")
    assert documented["components"]["schemas"].pop("QuotaExceeded")
    assert documented == plain
