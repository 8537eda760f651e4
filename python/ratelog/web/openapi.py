"""What FastAPI's documentation tells of limits."""

from __future__ import annotations

from re import Match, sub
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .resolver import ALL
from .responses import PROBLEM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .limit import RateLimit
    from .registry import Declarations

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_INTEGER = {"type": "integer", "minimum": 0}
_HEADERS = {
    "RateLimit-Policy": ("The limits: q units in w seconds, an item for each rule.", {"type": "string"}),
    "RateLimit": ("The limits that bind: r units are left for the next t seconds.", {"type": "string"}),
    "X-RateLimit-Limit": ("The limit that binds, in units.", _INTEGER),
    "X-RateLimit-Remaining": ("The units that are left.", _INTEGER),
    "X-RateLimit-Reset": ("Seconds for which no more are left.", _INTEGER),
    "Retry-After": ("Seconds after which the request is not denied again for the same reason.", _INTEGER),
}
_FAMILIES = {
    "draft-11": ("RateLimit-Policy", "RateLimit"),
    "x-ratelimit": ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    "both": tuple(_HEADERS)[:-1],
    "none": (),
}
_SCHEMA = {
    "title": "QuotaExceeded",
    "type": "object",
    "required": ["type", "title", "status", "violated-policies", "retry_after_ms"],
    "properties": {
        "type": {"type": "string", "const": "https://iana.org/assignments/http-problem-types#quota-exceeded"},
        "title": {"type": "string"},
        "status": {"type": "integer", "const": 429},
        "violated-policies": {"type": "array", "items": {"type": "string"}},
        "retry_after_ms": {"type": ["integer", "null"], "minimum": 0},
    },
}


def document(app: Any, limiter: Declarations) -> None:
    """Has the application's OpenAPI schema tell of the limits of each endpoint, and of the response 429."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            _add(app, limiter, schema)
            app.openapi_schema = schema
        told: dict[str, Any] = app.openapi_schema
        return told

    # What was made before says nothing of limits.
    app.openapi_schema = None
    app.openapi = openapi


def _add(app: Any, limiter: Declarations, schema: dict[str, Any]) -> None:
    planner = limiter.planner({"app": app})
    if planner is None:
        return
    limited = False
    for path, operations in schema.get("paths", {}).items():
        for method in _METHODS.intersection(operations):
            operation = operations[method]
            example = _example(path, planner.routes.convertors(method.upper(), path))
            scope = {"type": "http", "method": method.upper(), "path": example, "root_path": "", "headers": []}
            plan = planner.plan(scope)
            late = [one for one in plan.declared if one.limit.late_key is not None]
            limits = [(one.limit, one.scope == ALL) for one in (*plan.applied, *late)]
            if not limits:
                continue
            limited = True
            words = "; ".join(_describe(limit, default, limiter) for limit, default in limits)
            operation["description"] = f"{operation.get('description', '')}\n\n**Rate limit:** {words}".strip()
            operation.setdefault("responses", {}).setdefault("429", _response(limiter))
    if limited:
        schema.setdefault("components", {}).setdefault("schemas", {}).setdefault("QuotaExceeded", _SCHEMA)


def _example(path: str, convertors: Mapping[str, Any]) -> str:
    """A path that the template matches."""

    def value(parameter: Match[str]) -> str:
        return str(UUID(int=0)) if type(convertors.get(parameter[1])).__name__ == "UUIDConvertor" else "0"

    return sub(r"\{([^}]*)\}", value, path)


def _describe(limit: RateLimit, default: bool, limiter: Declarations) -> str:
    key = limit.key if isinstance(limit.key, str) else None
    by = {"ip": "client address", "api_key": "API key", "user": "user"}
    name = key or (limiter.settings.key if limit.key is None else "")
    words = f"{limit.describe()} per {by.get(name, name or 'caller')}"
    return f"{words}, in all endpoints together" if default else words


def _response(limiter: Declarations) -> dict[str, Any]:
    names = (*_FAMILIES[limiter.settings.headers], "Retry-After")
    headers = {name: {"description": _HEADERS[name][0], "schema": _HEADERS[name][1]} for name in names}
    body = {"schema": {"$ref": "#/components/schemas/QuotaExceeded"}}
    content = {} if limiter.denial_handler is not None else {"content": {PROBLEM: body}}
    return {"description": "Too Many Requests", "headers": headers, **content}
