"""Endpoints and routers without limits."""

from __future__ import annotations

from typing import Any, TypeVar

from .route_table import endpoint_routes, original, path_of_route, route_contexts

EXEMPT = "__ratelog_exempt__"
"""The attribute of an exempt route or endpoint: the ends of the paths under which it is; an empty one for all."""
E = TypeVar("E")


def exempt(target: E) -> E:
    """Marks an endpoint, or all endpoints of a router, as exempt."""
    if not hasattr(target, "routes"):
        _mark(target, "")
        return target
    for route in endpoint_routes(target):
        # Old FastAPIs copy the route when they include the router.
        _mark(route.endpoint if route_contexts() is None else original(route), path_of_route(route))
    # For routes that are added later.
    dependencies = getattr(target, "dependencies", None)
    if dependencies is not None:
        from fastapi import Depends

        dependencies.append(Depends(exemption))
    return target


def is_exempt(endpoint: Any, path: str) -> bool:
    """Whether an endpoint is exempt under a path, to which a router may have added a prefix."""
    return any(path.endswith(marked) for marked in getattr(endpoint, EXEMPT, ()))


async def exemption() -> None:
    """A dependency that exempts the endpoints of a router."""


def has_exemption(dependant: Any) -> bool:
    """Whether the router of an endpoint is exempt, given FastAPI's description of the endpoint."""
    return any(dependency.call is exemption for dependency in getattr(dependant, "dependencies", ()))


def _mark(endpoint: Any, path: str) -> None:
    # A bound method has no attributes of its own.
    target = getattr(endpoint, "__func__", endpoint)
    setattr(target, EXEMPT, (*getattr(target, EXEMPT, ()), path))
