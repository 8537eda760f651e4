"""What ASGI passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from .._core import Limits

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Told = str | None
KeyFunction = Callable[..., Told | Awaitable[Told]]
"""From a connection to what it is counted under; `None`: it is not limited. Or a FastAPI dependency."""
CostFunction = Callable[["HTTPConnection"], int | Awaitable[int]]
PlanFunction = Callable[["HTTPConnection"], str | Awaitable[str | None] | None]
LimitsFunction = Callable[["HTTPConnection"], str | Limits | Awaitable[str | Limits | None] | None]
Terms = Limits | Mapping[str, Limits] | LimitsFunction
"""Limits of all, of each plan, or of each connection."""
