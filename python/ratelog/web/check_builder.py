"""Builds the check of a limit on a request."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from .._core import Limits
from ..check import EXCESSIVE_COST, Check, to_limits
from .callables import Failure, caught, has_handler, maybe_await
from .keys import is_address, key_safe, redis_key

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .limit import AppliedLimit, RateLimit
    from .registry import Registry
    from .types import ExemptFunction, Resolved


class CheckBuilder:
    """Computes the key, the limits and the cost of a request under a limit."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def build(self, applied: AppliedLimit, connection: HTTPConnection, resolved: Resolved) -> Check | None:
        """Returns the check; `None` if the request is exempt from the limit.

        `resolved` has the results of those functions that FastAPI has called.
        """
        limit, scope, address_scope = applied
        if limit.exempt_when is not None and await self._is_exempt(limit.exempt_when, connection, resolved):
            return None
        limits = limit.limits if isinstance(limit.limits, Limits) else await self._limits(limit, connection, resolved)
        if limits is None:
            return None
        key = resolved["key"] if "key" in resolved else await self._key(limit, connection)
        if key is None:
            return None
        cost = limit.cost if isinstance(limit.cost, int) else await self._cost(limit, connection, resolved)
        key = key_safe(_text(key))
        if address_scope is not None and is_address(key):
            scope = address_scope
        return Check(redis_key(self._registry.prefix.value, key, scope), limits, cost)

    @staticmethod
    async def _is_exempt(function: ExemptFunction, connection: HTTPConnection, resolved: Resolved) -> bool:
        return bool(resolved["exempt_when"] if "exempt_when" in resolved else await maybe_await(function(connection)))

    async def _key(self, limit: RateLimit, connection: HTTPConnection) -> Any:
        key: Any = limit.key(connection) if callable(limit.key) else self._registry.key(limit.key, connection)
        # Most keys are text, and this test is faster than the one for awaitables.
        return await key if not isinstance(key, str) and inspect.isawaitable(key) else key

    async def _limits(self, limit: RateLimit, connection: HTTPConnection, resolved: Resolved) -> Limits | None:
        if isinstance(limit.limits, Mapping):
            plan = resolved["plan"] if "plan" in resolved else await self._registry.plan(connection)
            # An unknown plan gets the limits of the first one.
            return next(iter(limit.limits.values())) if plan is None or plan not in limit.limits else limit.limits[plan]
        function = cast("Any", limit.limits)
        limits = resolved["limits"] if "limits" in resolved else await maybe_await(function(connection))
        return None if limits is None else to_limits(limits)

    async def _cost(self, limit: RateLimit, connection: HTTPConnection, resolved: Resolved) -> int:
        """Returns the cost that a function computes. Clients often choose it, so no result is an error."""
        function = cast("Any", limit.cost)
        if "cost" in resolved:
            cost = resolved["cost"]
        else:
            cost = await caught(lambda: function(connection))
        if isinstance(cost, Failure):
            if has_handler(connection, cost.error):
                raise cost.error
            return self._invalid_cost(function, f"raised {cost.error!r}")
        if isinstance(cost, int) and not isinstance(cost, bool) and cost >= 0:
            return min(int(cost), EXCESSIVE_COST)
        return self._invalid_cost(function, f"returned {cost!r}")

    def _invalid_cost(self, function: Any, result: str) -> int:
        name = getattr(function, "__qualname__", repr(function))
        self._registry.warn_once(
            f"cost {id(function)}",
            f"the cost function {name} {result}, which is no integer from 0 on; the request costs 1",
        )
        return 1


def _text(key: Any) -> str:
    """The key as text: an integer or a UUID is a usual name of a user."""
    if isinstance(key, str):
        return key
    if isinstance(key, UUID) or type(key) is int:
        return str(key)
    raise TypeError(f"a key must be a str, an int, a UUID or None, not {type(key).__name__}")
