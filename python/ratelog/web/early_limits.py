"""The limits on the requests to one path if none of them has a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..check import Check
from .keys import is_address, key_safe, redis_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._core import Limits
    from .limit import AppliedLimit
    from .registry import Registry
    from .types import Scope


class EarlyLimits:
    """Limits for which `Registry.is_early` is true, prepared for all requests to the path."""

    def __init__(self, registry: Registry, applied: Sequence[AppliedLimit]) -> None:
        self.limits = tuple(item.limit for item in applied)
        self.scopes = tuple(item.scope for item in applied)
        self._prefix = registry.prefix
        self._parts: list[tuple[Callable[[Scope], str] | None, str, str | None, Limits, int]] = []
        """The function of the key (`None`: the key before it), the scopes, the rules and the cost of each limit."""
        name: str | None = None
        for limit, scope, address_scope in applied:
            previous, name = name, registry.key_name(cast("str | None", limit.key))
            key = None if name == previous else registry.built_in_key(name)
            self._parts.append((key, scope, address_scope, cast("Limits", limit.limits), cast("int", limit.cost)))

    def checks(self, scope: Scope) -> list[Check]:
        """Returns the check of each limit on a request."""
        prefix = self._prefix.value
        key = ""
        checks: list[Check] = []
        for key_of, limit_scope, address_scope, rules, cost in self._parts:
            if key_of is not None:
                key = key_safe(key_of(scope))
            own_scope = limit_scope if address_scope is None or not is_address(key) else address_scope
            checks.append(Check(redis_key(prefix, key, own_scope), rules, cost))
        return checks
