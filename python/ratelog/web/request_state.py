"""The checks of one request and their decisions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .._core import LimitSet
from ..events import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

    from .._core import Decision, Limits
    from ..check import Check
    from .limit import RateLimit
    from .registry import Registry
    from .resolver import RequestLimits
    from .types import Message, Send

DenialHandler = Callable[["HTTPConnection", "Denial"], Any]
"""Creates the response to a denied request. May be asynchronous."""

_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Denial:
    """A denied request: the checks that were denied, and the content of the response."""

    def __init__(self, state: RequestState, checks: Sequence[Check], decisions: Sequence[Decision]) -> None:
        self.checks = checks
        self.decisions = decisions
        self.state = state

    @property
    def retry_after_ms(self) -> int | None:
        """The wait until the request is not denied again for the same reason; `None` if it always is."""
        waits = [decision.retry_after_ms for decision in self.decisions]
        return None if None in waits else max(wait for wait in waits if wait is not None)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The rate limit headers of the response."""
        return self.state.headers()

    def problem(self) -> bytes:
        """The body of the response: problem details (RFC 9457)."""
        limits = tuple(check.limits for check in self.checks)
        return _limit_set(limits, self.state.registry.settings.headers).problem(self.decisions)


class RequestState:
    """The state of one request, stored in its scope."""

    __slots__ = (
        "_decisions",
        "_denied",
        "_limits",
        "checked",
        "is_exempt",
        "registry",
        "request_limits",
        "scopes",
        "sends_headers",
    )

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.sends_headers = False
        """Whether the response gets the headers in any case: a middleware adds them, or they were added."""
        self.is_exempt = False
        self.request_limits: RequestLimits | None = None
        self.checked: dict[RateLimit, Decision | None] = {}
        self.scopes: tuple[str, ...] = ()
        self._denied: tuple[tuple[Check, Decision], ...] = ()
        self._limits: tuple[Limits, ...] = ()
        self._decisions: tuple[Decision, ...] = ()

    @property
    def denial(self) -> Denial | None:
        """The denial, if a check was denied."""
        if not self._denied:
            return None
        checks, decisions = zip(*self._denied, strict=True)
        return Denial(self, checks, decisions)

    def set_limits(self, limits: RequestLimits) -> None:
        """Stores the limits that a middleware resolved. The outermost middleware that knows the endpoint counts."""
        self.is_exempt = self.is_exempt or limits.exempt
        if self.request_limits is None or self.request_limits.endpoint is None:
            self.request_limits = limits

    def record(self, limit: RateLimit, check: Check, decision: Decision | None) -> None:
        """Stores the decision of a check."""
        self.checked[limit] = decision
        if decision is not None:
            self._limits += (check.limits,)
            self._decisions += (decision,)
            if not decision.allowed:
                self._denied += ((check, decision),)
                _log_denial(check, decision)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The rate limit headers for all decisions so far."""
        if not self._limits:
            return []
        return _limit_set(self._limits, self.registry.settings.headers).headers(self._decisions)

    def with_headers(self, send: Send) -> Send:
        """Wraps `send` to add the headers for all decisions at the start of the response."""
        self.sends_headers = True
        return _HeaderSender(self, send)


@lru_cache(maxsize=1024)
def _limit_set(limits: tuple[Limits, ...], family: Any) -> LimitSet:
    return LimitSet(limits, family)


def _log_denial(check: Check, decision: Decision) -> None:
    key = check.key.decode()
    logger.info(
        "denied key=%r limit=%d window_ms=%d retry_after_ms=%s source=%s",
        *(key, decision.limit, decision.window_ms, decision.retry_after_ms, decision.source),
        extra={"ratelog": {"event": "denied", "key": key, "source": decision.source}},
    )


class _HeaderSender:
    """Adds the headers. The state has no reference to it, to avoid a cycle: `send` has the scope with the state."""

    __slots__ = ("_send", "_state")

    def __init__(self, state: RequestState, send: Send) -> None:
        self._state = state
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] in _STARTS:
            headers = self._state.headers()
            if headers:
                names = {name for name, _ in headers} if self._state.denial is not None else ()
                others = [header for header in message.get("headers", ()) if header[0].lower() not in names]
                message["headers"] = [*others, *headers]
        await self._send(message)
