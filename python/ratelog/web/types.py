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
CostFunction = Callable[..., int | Awaitable[int]]
"""Returns the units of a request; 0 is checked, but not counted. May be a FastAPI dependency."""
PlanFunction = Callable[..., str | Awaitable[str | None] | None]
"""Returns the plan of a connection. May be a FastAPI dependency."""
LimitsFunction = Callable[..., str | Limits | Awaitable[str | Limits | None] | None]
"""Returns the limits of a connection; `None` exempts the request. May be a FastAPI dependency."""
ExemptFunction = Callable[..., bool | Awaitable[bool]]
"""Returns whether a connection is exempt from a limit. May be a FastAPI dependency."""
Condition = Callable[[Any], bool | Awaitable[bool]]
"""Receives the `ResponseStart` of a request that was allowed. May be asynchronous."""
DenialHandler = Callable[["HTTPConnection", Any], Any]
"""Creates the response to a denied request from its connection and `Denial`. May be asynchronous."""

LimitsSpec = Limits | Mapping[str, Limits] | LimitsFunction
"""Limits of every connection, of each plan, or computed for each connection."""
LimitsArgument = LimitsLike | Mapping[str, LimitsLike] | LimitsFunction
"""The same, with text in place of `Limits`."""

Decide = Callable[[Sequence[Check]], Awaitable["list[Decision | None]"]]
"""Decides the checks of one stage of a request, all or none."""
TakeBack = Callable[[Sequence[tuple[Check, "Decision"]]], Awaitable[None]]
"""Takes back the units that earlier stages of a request recorded."""

Resolved = Mapping[str, Any]
"""The results of those functions of a limit that FastAPI has called: `key`, `limits`, `cost`, `plan` and
`exempt_when`."""
