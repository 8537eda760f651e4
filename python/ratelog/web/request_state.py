"""One request's way past its limits: each is checked once, whoever asks first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import logger
from .limit import Applied, RateLimit
from .resolver import UNKNOWN, Plan, path_of, unlike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core import Decision, Limits
    from ..check import Check
    from .registry import Declarations
    from .types import Message, Scope, Send

_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Denial:
    """Why a request is refused: the denied checks, and what the response tells."""

    def __init__(self, passage: Passage, checks: Sequence[Check], decisions: Sequence[Decision]) -> None:
        self.checks = checks
        self.decisions = decisions
        self.passage = passage

    @property
    def retry_after_ms(self) -> int | None:
        """The wait after which the request is not denied again for the same reason; `None`: it always will be."""
        waits = [decision.retry_after_ms for decision in self.decisions]
        return None if None in waits else max(wait for wait in waits if wait is not None)

    def fields(self) -> list[tuple[bytes, bytes]]:
        """The header fields of the response."""
        return self.passage.fields()

    def problem(self) -> bytes:
        """The body: problem details (RFC 9457)."""
        told = self.passage.limiter.told(tuple(check.limits for check in self.checks))
        return told.problem(self.decisions)


class Passage:
    """What was checked of a request, and with what outcome. Kept in its scope."""

    __slots__ = ("_checked", "_denied", "_limits", "_outcomes", "_scopes", "has_told", "is_exempt", "limiter", "plan")

    def __init__(self, limiter: Declarations) -> None:
        self.limiter = limiter
        self.has_told = False
        """Whether the response is sure to have the header fields: there is a middleware, or it has them by now."""
        self.is_exempt = False
        self.plan: Plan | None = None
        self._denied: tuple[tuple[Check, Decision], ...] = ()
        self._checked: dict[RateLimit, Decision | None] = {}
        self._scopes: tuple[str, ...] = ()
        self._limits: tuple[Limits, ...] = ()
        self._outcomes: tuple[Decision, ...] = ()

    @property
    def denial(self) -> Denial | None:
        """Why the request is refused, if it is."""
        if not self._denied:
            return None
        checks, decisions = zip(*self._denied, strict=True)
        return Denial(self, checks, decisions)

    async def check(self, applied: Sequence[Applied], connection: Any, late: str | None = None) -> Denial | None:
        """Checks what was not checked yet, in one round trip."""
        limits: list[RateLimit] = []
        checks: list[Check] = []
        for limit, scope in applied:
            if limit in self._checked:
                continue
            check = await limit.check(connection, scope, late)
            self._checked[limit] = None
            self._scopes += (scope,)
            if check is not None and check not in checks:
                limits.append(limit)
                checks.append(check)
        if not checks:
            return None
        decisions = await self.limiter.decide(checks)
        for limit, check, decision in zip(limits, checks, decisions, strict=False):
            self._checked[limit] = decision
            if decision is not None:
                self._limits += (check.limits,)
                self._outcomes += (decision,)
                if not decision.allowed:
                    self._denied += ((check, decision),)
                    _log(check, decision)
        return self.denial

    def telling(self, send: Send) -> Send:
        """Adds the header fields of all that was checked by the time the response begins."""
        self.has_told = True
        return _Telling(self, send)

    def follow(self, plan: Plan) -> None:
        """What a middleware found out of the endpoint; the outermost that knows it counts."""
        self.is_exempt = self.is_exempt or plan.exempt
        if self.plan is None or self.plan.name is None:
            self.plan = plan

    async def admit(self, limit: RateLimit, connection: Any, late: str | None) -> Decision | None:
        """Lets the request pass a limit that its endpoint meets.

        Raises:
            RateLimited: it does not pass.
        """
        if self.is_exempt:
            return None
        if limit not in self._checked:
            plan = self._plan(connection.scope)
            if plan.exempt:
                self.is_exempt = True
                return None
            known = [one for one in plan.declared if one.limit is limit]
            others = [one for one in plan.declared if one.limit.late_key is None] if late is None else []
            applied = known or [self._undeclared(limit, plan, connection.scope)]
            await self.check([*applied, *others], connection, late)
        if self.denial is not None:
            from .responses import RateLimited, handle

            handle(connection.scope)
            raise RateLimited(self.denial)
        return self._checked.get(limit)

    def fields(self) -> list[tuple[bytes, bytes]]:
        """What the response tells of all that was decided."""
        if not self._limits:
            return []
        return self.limiter.told(self._limits).fields(self._outcomes)

    def _plan(self, scope: Scope) -> Plan:
        if self.plan is None or self.plan.name is None:
            planner = self.limiter.planner(scope)
            self.plan = UNKNOWN if planner is None else planner.own(scope)
        return self.plan

    def _undeclared(self, limit: RateLimit, plan: Plan, scope: Scope) -> Applied:
        """A limit that the endpoint meets and no route told of. Not counted by the path, which strangers choose."""
        name = plan.name
        if name is None:
            endpoint = scope.get("endpoint")
            known = getattr(endpoint, "__qualname__", None)
            name = path_of(scope) if known is None else f"{getattr(endpoint, '__module__', '')}.{known}"
        return Applied(limit, unlike(limit.scope or name, [*self._scopes, *(one.scope for one in plan.declared)]))


def _log(check: Check, decision: Decision) -> None:
    key = check.key.decode()
    logger.info(
        "denied key=%r limit=%d window_ms=%d retry_after_ms=%s source=%s",
        *(key, decision.limit, decision.window_ms, decision.retry_after_ms, decision.source),
        extra={"ratelog": {"event": "denied", "key": key, "source": decision.source}},
    )


class _Telling:
    """Sends the header fields along. Not known to the passage: what sends has the scope, which has the passage."""

    __slots__ = ("_passage", "_send")

    def __init__(self, passage: Passage, send: Send) -> None:
        self._passage = passage
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] in _STARTS:
            fields = self._passage.fields()
            if fields:
                names = {name for name, _ in fields} if self._passage.denial is not None else ()
                others = [field for field in message.get("headers", ()) if field[0].lower() not in names]
                message["headers"] = [*others, *fields]
        await self._send(message)
