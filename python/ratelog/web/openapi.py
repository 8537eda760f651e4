"""Documents limits in FastAPI's OpenAPI schema."""

from __future__ import annotations

from re import Match, sub
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .configured import ALL
from .request_state import EPOCH
from .responses import PROBLEM_JSON
from .route_table import routes_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .enforcer import Enforcer
    from .limit import RateLimit
    from .registry import Registry

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_INTEGER = {"type": "integer", "minimum": 0}
_HEADERS = {
    "RateLimit-Policy": ("The limits: q units in w seconds, one item per rule.", {"type": "string"}),
    "RateLimit": ("The binding limits: r units left for the next t seconds.", {"type": "string"}),
    "X-RateLimit-Limit": ("The binding limit, in units.", _INTEGER),
    "X-RateLimit-Remaining": ("The units left.", _INTEGER),
    "X-RateLimit-Reset": ("Seconds until more units are available.", _INTEGER),
    "Retry-After": ("Seconds after which the request is not denied again for the same reason.", _INTEGER),
}
_EPOCH_HEADERS = {"X-RateLimit-Reset": ("Unix time in seconds at which more units are available.", _INTEGER)}
_X_RATELIMIT = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_FAMILIES = {
    "draft-11": ("RateLimit-Policy", "RateLimit"),
    "x-ratelimit": _X_RATELIMIT,
    EPOCH: _X_RATELIMIT,
    "both": tuple(_HEADERS)[:-1],
    "none": (),
}
_DOCUMENTED = "__ratelog_documented__"
"""The attribute of a function that returns a documented schema."""
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


def document(app: Any, enforcer: Enforcer) -> None:
    """Adds each endpoint's limits, and the response 429, to the OpenAPI schema of an application.

    Includes applications that are mounted on it. Does nothing for those that are documented. A program may
    replace `app.openapi`, so this is called again when the application starts.
    """
    _document(app, app, "", enforcer)


def _document(app: Any, root: Any, prefix: str, enforcer: Enforcer) -> None:
    original = getattr(app, "openapi", None)
    if original is not None and not hasattr(original, _DOCUMENTED):
        documented: dict[int, dict[str, Any]] = {}

        def openapi() -> dict[str, Any]:
            schema: dict[str, Any] = original()
            # FastAPI and most programs return the same object each time.
            if id(schema) not in documented:
                _add_limits(root, prefix, enforcer, schema)
                documented.clear()
                documented[id(schema)] = schema
            return schema

        setattr(openapi, _DOCUMENTED, True)
        # A schema that was generated before has no limits.
        app.openapi_schema = None
        app.openapi = openapi
    for route in routes_in(app):
        mounted = getattr(route, "app", None)
        # The limits of an application that is chosen by its host cannot be found by a path.
        if getattr(route, "endpoint", None) is None and hasattr(route, "path") and hasattr(mounted, "openapi"):
            _document(mounted, root, f"{prefix}{route.path}", enforcer)


def _add_limits(app: Any, prefix: str, enforcer: Enforcer, schema: dict[str, Any]) -> None:
    registry = enforcer.registry
    resolver = enforcer.resolver({"app": app})
    if resolver is None:
        return
    has_limits = False
    for path, operations in schema.get("paths", {}).items():
        for method in _METHODS.intersection(operations):
            operation = operations[method]
            example = _example_path(f"{prefix}{path}", resolver.routes.convertors(method.upper(), path))
            scope = {"type": "http", "method": method.upper(), "path": example, "root_path": "", "headers": []}
            resolved = resolver.resolve(scope)
            later = [item for item in resolved.declared if not registry.is_early(item.limit)]
            limits = [(item.limit, item.scope == ALL) for item in (*resolved.applied, *later)]
            if not limits:
                continue
            has_limits = True
            text = "; ".join(_describe(limit, is_default, registry) for limit, is_default in limits)
            if registry.settings.openapi_description:
                operation["description"] = f"{operation.get('description', '')}\n\n**Rate limit:** {text}".strip()
            operation.setdefault("responses", {}).setdefault("429", _response(registry))
    if has_limits:
        schema.setdefault("components", {}).setdefault("schemas", {}).setdefault("QuotaExceeded", _SCHEMA)


def _example_path(path: str, convertors: Mapping[str, Any]) -> str:
    """A path that matches the template."""

    def value(parameter: Match[str]) -> str:
        return str(UUID(int=0)) if type(convertors.get(parameter[1])).__name__ == "UUIDConvertor" else "0"

    return sub(r"\{([^}]*)\}", value, path)


def _describe(limit: RateLimit, is_default: bool, registry: Registry) -> str:
    key = limit.key if isinstance(limit.key, str) else None
    names = {"ip": "client address", "api_key": "API key", "user": "user"}
    name = key or (registry.settings.key if limit.key is None else "")
    text = f"{limit.describe()} per {names.get(name, name or 'caller')}"
    return f"{text}, in all endpoints together" if is_default else text


def _response(registry: Registry) -> dict[str, Any]:
    family = registry.settings.headers
    texts = {**_HEADERS, **_EPOCH_HEADERS} if family == EPOCH else _HEADERS
    names = (*_FAMILIES[family], "Retry-After")
    headers = {name: {"description": texts[name][0], "schema": texts[name][1]} for name in names}
    body = {"schema": {"$ref": "#/components/schemas/QuotaExceeded"}}
    content = {} if registry.denial_handler is not None else {"content": {PROBLEM_JSON: body}}
    return {"description": "Too Many Requests", "headers": headers, **content}
