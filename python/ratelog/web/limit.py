"""A limit on requests: plain data, from code or from the settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._core import Limits
from ..check import LimitsLike, to_cost, to_limits
from .callables import has_dependencies, maybe_await

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .response_start import ResponseStart
    from .types import (
        Condition,
        CostFunction,
        DenialHandler,
        ExemptFunction,
        KeyFunction,
        LimitsArgument,
        LimitsSpec,
    )

METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE", "WEBSOCKET"}
)
"""The methods of requests; `WEBSOCKET` is that of a WebSocket."""


# Compared by identity: two equal limits of one endpoint are counted separately.
@dataclass(frozen=True, eq=False)
class RateLimit:
    """A limit on requests: rules, and how to count requests under them."""

    limits: LimitsSpec
    key: str | KeyFunction | None = None
    """A key's name or a function; `None`: the key of the settings."""
    cost: int | CostFunction = 1
    scope: str | None = None
    """Limits of one scope share their units; `None`: each endpoint has its own."""
    override_defaults: bool = False
    on_denied: DenialHandler | None = None
    """Creates the response if this limit denies; `None`: the handler of the limiter."""
    count_if: Condition | None = None
    """Whether a request counts, given its response; `None`: it does."""
    skip_if: Condition | None = None
    """Whether a request does not count, given its response."""
    methods: frozenset[str] = frozenset()
    """The HTTP methods to which the limit applies; empty for all."""
    exempt_when: ExemptFunction | None = None
    """Whether a request is exempt from the limit."""
    dependencies: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """Those of the functions above with dependencies of their own, which only FastAPI can resolve."""

    @classmethod
    def create(
        cls,
        limits: LimitsSpec,
        *,
        key: str | KeyFunction | None = None,
        cost: int | CostFunction = 1,
        scope: str | None = None,
        override_defaults: bool = False,
        on_denied: DenialHandler | None = None,
        count_if: Condition | None = None,
        skip_if: Condition | None = None,
        methods: Iterable[str] = (),
        exempt_when: ExemptFunction | None = None,
    ) -> RateLimit:
        """Validates the arguments.

        Raises:
            ValueError: the cost yields or is not from 1 to 1,000,000, both conditions are given, or a method is
                unknown.
        """
        if count_if is not None and skip_if is not None:
            raise ValueError("expected count_if or skip_if, not both")
        valid_methods = frozenset(method.upper() for method in methods)
        if isinstance(methods, str) or not valid_methods <= METHODS:
            raise ValueError(f"methods must be a list of HTTP methods, such as ['POST'], not {methods!r}")
        valid_cost = cost if callable(cost) else to_cost(cost)
        functions = {"key": key, "cost": cost, "limits": limits, "exempt_when": exempt_when}
        if inspect.isgeneratorfunction(cost) or inspect.isasyncgenfunction(cost):
            raise ValueError("the function of a cost must return the cost, and not yield it")
        dependencies = {
            name: function for name, function in functions.items() if callable(function) and has_dependencies(function)
        }
        return cls(
            limits=limits,
            key=key,
            cost=valid_cost,
            scope=scope,
            override_defaults=override_defaults,
            on_denied=on_denied,
            count_if=count_if,
            skip_if=skip_if,
            methods=valid_methods,
            exempt_when=exempt_when,
            dependencies=dependencies,
        )

    @cached_property
    def has_condition(self) -> bool:
        """Whether the response decides if a request counts."""
        return self.count_if is not None or self.skip_if is not None

    async def counts(self, response: ResponseStart) -> bool:
        """Whether a request with this response counts."""
        if self.count_if is not None:
            return bool(await maybe_await(self.count_if(response)))
        return self.skip_if is None or not await maybe_await(self.skip_if(response))

    @cached_property
    def has_functions(self) -> bool:
        """Whether a function computes the key, the cost or the limits, or limits depend on the plan."""
        return (
            not isinstance(self.limits, Limits)
            or callable(self.key)
            or callable(self.cost)
            or self.exempt_when is not None
        )

    def applies_to(self, method: str) -> bool:
        """Whether the limit applies to requests with this method. HEAD is treated as GET."""
        return not self.methods or method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def describe(self) -> str:
        """The limits as text for documentation, such as `10/second; 1000/hour`."""
        if isinstance(self.limits, Limits):
            policy = self.limits.policy
            return str(self.limits) if policy is None else f"policy {policy}"
        if isinstance(self.limits, Mapping):
            return ", ".join(f"{plan}: {limits}" for plan, limits in self.limits.items())
        return "by caller"


class AppliedLimit(NamedTuple):
    """A limit, and the scope that it counts: an endpoint, a shared scope, or `*` for all requests."""

    limit: RateLimit
    scope: str
    address_scope: str | None = None
    """The scope of requests whose built-in key is the address, because they have no user or no API key. `None` for the
    same, which no other limit of the request has.
    """


def parse_limits(arguments: Sequence[LimitsArgument]) -> LimitsSpec:
    """Parses the positional arguments of `limiter(...)` and `limiter.limit(...)`.

    Raises:
        ValueError: there are no rules, rules do not parse, or several arguments are not all rules as text.
    """
    if len(arguments) == 1 and not isinstance(arguments[0], (str, Limits)):
        (argument,) = arguments
        if isinstance(argument, Mapping):
            if not argument:
                raise ValueError("expected limits for at least one plan")
            return {plan: to_limits(rules) for plan, rules in argument.items()}
        if callable(argument):
            return argument
    if not arguments:
        raise ValueError("expected at least one rule, such as '100/minute'")
    if len(arguments) == 1:
        return to_limits(cast("LimitsLike", arguments[0]))
    if not all(isinstance(rules, str) for rules in arguments):
        raise ValueError("several limits must all be text; pass a mapping, a function or Limits as the only one")
    return to_limits("; ".join(cast("Sequence[str]", arguments)))
