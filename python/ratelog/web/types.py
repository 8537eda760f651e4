"""The types of ASGI, and of the functions that a program passes to a limiter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from .._core import Limits
from ..check import Check, LimitsLike

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .._core import Decision

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

KeyFunction = Callable[..., str | Awaitable[str | None] | None]
"""Returns the key of a connection; `None` exempts the request. May be a FastAPI dependency."""
CostFunction = Callable[["HTTPConnection"], int | Awaitable[int]]
PlanFunction = Callable[["HTTPConnection"], str | Awaitable[str | None] | None]
LimitsFunction = Callable[["HTTPConnection"], str | Limits | Awaitable[str | Limits | None] | None]

LimitsSpec = Limits | Mapping[str, Limits] | LimitsFunction
"""Limits of every connection, of each plan, or computed for each connection."""
LimitsArgument = LimitsLike | Mapping[str, LimitsLike] | LimitsFunction
"""The same, with text in place of `Limits`."""

Decide = Callable[[Sequence[Check]], Awaitable["list[Decision | None]"]]
"""Decides all checks of a request, all or none."""
