"""A limit as a FastAPI dependency."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .._core import Decision
    from .limit import RateLimit
    from .types import Scope


class LimitEnforcer(Protocol):
    """The enforcer, as a dependency sees it."""

    def state(self, scope: Scope) -> Any: ...
    async def enforce(
        self, limit: RateLimit, connection: HTTPConnection, key: str | None = None
    ) -> Decision | None: ...


class RateLimitDependency:
    """A FastAPI dependency: `Depends(limiter("10/second"))`. Its value is the `Decision`, or `None` if exempt."""

    def __init__(self, limit: RateLimit, enforcer: LimitEnforcer) -> None:
        self.limit = limit
        self.enforcer = enforcer
        if _is_fastapi_installed():
            self.__signature__ = _signature(limit)

    async def __call__(self, connection: Any, response: Any, key: Any = None) -> Decision | None:
        """Enforces the limit. FastAPI passes the connection, and the response to set headers on.

        Raises:
            RateLimited: the request is denied.
        """
        decision = await self.enforce(connection, key)
        state = self.enforcer.state(connection.scope)
        if not state.sends_headers:
            for name, value in state.headers():
                response.headers[name.decode()] = value.decode()
        return decision

    async def enforce(self, connection: HTTPConnection, key: str | None = None) -> Decision | None:
        """Enforces the limit on a request. Returns `None` if the request is exempt.

        `key` is the result of the key function if FastAPI has called it.

        Raises:
            RateLimited: the request is denied.
        """
        return await self.enforcer.enforce(self.limit, connection, key)


def _signature(limit: RateLimit) -> inspect.Signature:
    from fastapi import Depends, Response
    from starlette.requests import HTTPConnection

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("connection", kind, annotation=HTTPConnection),
        inspect.Parameter("response", kind, annotation=Response),
    ]
    if limit.dependency_key is not None:
        parameters.append(inspect.Parameter("key", kind, default=Depends(limit.dependency_key)))
    return inspect.Signature(parameters)


def _is_fastapi_installed() -> bool:
    try:
        import fastapi  # noqa: F401
    except ImportError:
        return False
    return True
