"""A limit on requests, as it was declared: for all of them, for endpoints of the configuration, or for one endpoint."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._core import Decision, Limits
from ..check import Check, cost_of, limits_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .registry import Declarations
    from .types import CostFunction, KeyFunction, Terms


_CONNECTIONS = frozenset({"Any", "HTTPConnection", "Request", "WebSocket"})


class Applied(NamedTuple):
    """A limit, and what it counts together: an endpoint, a scope that several share, or `*`, all requests."""

    limit: RateLimit
    scope: str


class RateLimit:
    """A limit on requests; as a FastAPI dependency, `Depends(limiter("10/second"))`, it gives the `Decision`, or `None`
    to whom it does not limit."""

    def __init__(
        self,
        limiter: Declarations,
        terms: Terms,
        *,
        key: str | KeyFunction | None = None,
        cost: int | CostFunction = 1,
        scope: str | None = None,
        override_defaults: bool = False,
    ) -> None:
        self.limiter = limiter
        self.terms = terms
        self.key = key
        self.cost = cost if callable(cost) else cost_of(cost)
        self.scope = scope
        self.override_defaults = override_defaults
        self.late_key = key if callable(key) and has_dependencies(key) else None
        if _is_fastapi_here():
            self.__signature__ = self._signature()

    async def check(self, connection: HTTPConnection, scope: str, late: str | None = None) -> Check | None:
        """What this limit asks of a request; `None` if it does not limit it."""
        limits = self.terms if isinstance(self.terms, Limits) else await self._terms(connection)
        if limits is None:
            return None
        subject: Any
        if self.late_key is not None:
            subject = late
        elif callable(self.key):
            subject = await settled(self.key(connection))
        else:
            subject = self.limiter.subject(self.key, connection)
            # Asked first: most subjects are text, and to ask whether it is awaitable takes longer.
            if not isinstance(subject, str) and inspect.isawaitable(subject):
                subject = await subject
        if subject is None:
            return None
        if not isinstance(subject, str):
            raise TypeError(f"a key is a str or None, not {type(subject).__name__}")
        cost = self.cost if isinstance(self.cost, int) else cost_of(cast("int", await settled(self.cost(connection))))
        return Check(self.limiter.key_name(subject, scope), limits, cost)

    async def __call__(self, connection: Any, response: Any, late: Any = None) -> Decision | None:
        """The dependency. FastAPI gives it the connection, and the response that headers are put on."""
        decision = await self.admit(connection, late)
        passage = self.limiter.passage(connection.scope)
        if not passage.has_told:
            for name, value in passage.fields():
                response.headers[name.decode()] = value.decode()
        return decision

    async def admit(self, connection: HTTPConnection, late: str | None = None) -> Decision | None:
        """Lets a request pass, or raises `RateLimited`."""
        return await self.limiter.passage(connection.scope).admit(self, connection, late)

    def describe(self) -> str:
        """The limits in words, for documentation: `10/second; 1000/hour`."""
        if isinstance(self.terms, Limits):
            policy = self.terms.policy
            return str(self.terms) if policy is None else f"policy {policy}"
        if isinstance(self.terms, Mapping):
            return ", ".join(f"{plan}: {limits}" for plan, limits in self.terms.items())
        return "by caller"

    async def _terms(self, connection: HTTPConnection) -> Limits | None:
        terms = self.terms
        if isinstance(terms, Mapping):
            plan = await self.limiter.plan_of(connection)
            # Of whom no plan is known, the first is.
            return next(iter(terms.values())) if plan is None or plan not in terms else terms[plan]
        told = await settled(cast("Any", terms)(connection))
        return None if told is None else limits_of(told)

    def _signature(self) -> inspect.Signature:
        from fastapi import Depends, Response
        from starlette.requests import HTTPConnection

        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("connection", kind, annotation=HTTPConnection),
            inspect.Parameter("response", kind, annotation=Response),
        ]
        if self.late_key is not None:
            parameters.append(inspect.Parameter("late", kind, default=Depends(self.late_key)))
        return inspect.Signature(parameters)


async def settled(value: Any) -> Any:
    """What a function told that may be asynchronous."""
    return await value if inspect.isawaitable(value) else value


def has_dependencies(key: KeyFunction) -> bool:
    """Whether FastAPI has to call it: it asks for something other than the connection alone."""
    try:
        parameters = list(inspect.signature(key).parameters.values())
    except ValueError:
        # One that is written in C.
        return False
    if len(parameters) != 1 or parameters[0].default is not inspect.Parameter.empty:
        return True
    annotation = parameters[0].annotation
    words = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return annotation is not inspect.Parameter.empty and not all(
        word.strip().split(".")[-1] in _CONNECTIONS for word in words.split("|")
    )


def _is_fastapi_here() -> bool:
    try:
        import fastapi  # noqa: F401
    except ImportError:
        return False
    return True
