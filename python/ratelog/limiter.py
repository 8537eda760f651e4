"""The asynchronous limiter: for FastAPI, Starlette and any program on asyncio."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ._core import Limits
from .base import BaseLimiter, Options
from .connection.async_cluster_session import AsyncClusterSession
from .connection.async_session import AsyncSession
from .connection.async_sessions import AsyncSessions
from .connection.event_loop import reject_trio
from .engine.cluster_engine import ClusterEngine
from .errors import ConfigError
from .waiting import DEFAULT_MAX_WAIT, waits

if TYPE_CHECKING:
    import inspect
    import os
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from starlette.requests import HTTPConnection
    from typing_extensions import Self, Unpack

    from ._core import Decision
    from .admin import Admin
    from .check import Check, LimitsLike
    from .engine.overrides import Override, OverrideAction
    from .events import Hook
    from .pace import Pace
    from .settings import Settings
    from .web.decorator import Decorator
    from .web.dependency import RateLimitDependency
    from .web.types import (
        Condition,
        CostFunction,
        DenialHandler,
        ExemptFunction,
        KeyFunction,
        LimitsArgument,
        PlanFunction,
    )

F = TypeVar("F", bound="Callable[..., Any]")
E = TypeVar("E")


class RateLimiter(BaseLimiter):
    """Exact rate limits in a Redis or Valkey server, and in this process while the server is unavailable.

    A check waits for the server for at most `timeout`. Failures count towards a circuit breaker. While it is open,
    checks do not wait: the setting `fallback` decides them, and probes look for the server at jittered intervals.
    Errors of the caller are raised: an unknown policy, a key of another type, a limit over the server's maximum.

    >>> limiter = RateLimiter("memory://")
    >>> asyncio.run(limiter.check("user:42", "2/minute")).remaining
    1
    """

    _IS_ASYNC = True

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        config: str | os.PathLike[str] | None = None,
        hooks: Sequence[Hook] = (),
        **options: Unpack[Options],
    ) -> None:
        super().__init__(url, client=client, config=config, hooks=hooks, **options)
        if self._engine.remote:
            reject_trio()
        engine, nodes, target, settings = self._engine, self._nodes, self._target, self.settings

        def create_session() -> AsyncSession | AsyncClusterSession:
            if nodes is not None and isinstance(engine, ClusterEngine):
                return AsyncClusterSession(engine, nodes)
            used = target.client("redis.asyncio", settings) if client is None else client
            return AsyncSession(engine, used, owns_client=client is None)

        self._sessions = AsyncSessions(engine, create_session)
        # Imported here, so that `SyncRateLimiter` imports no code for requests.
        from .web.enforcer import Enforcer
        from .web.parts import WebParts
        from .web.registry import Registry
        from .web.startup import Startup

        sessions = self._sessions

        def decide(checks: Sequence[Check]) -> Awaitable[list[Decision | None]]:
            return sessions.run(engine.decide(checks, lenient=True))

        def take_back(recorded: Sequence[tuple[Check, Decision]]) -> Awaitable[None]:
            return sessions.run(engine.take_back(recorded))

        def forget() -> None:
            if not engine.remote:
                engine.local.clear()

        async def verify(limits: Collection[Limits], prefix: str) -> list[str]:
            return await sessions.run(engine.find_problems(limits, prefix))

        self._registry = Registry(self.settings, self._prefix, self._events, engine.problems)
        enforcer = Enforcer(self._registry, decide, take_back)
        self._web = WebParts(enforcer, Startup(self._registry, sessions.start, verify, forget), sessions.aclose)

    __init__.__doc__ = BaseLimiter.__init__.__doc__

    async def check(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """Decides whether `key` may use `cost` units now, and records them if it may.

        Raises:
            ValueError: `limits` do not parse, or `cost` is not from 1 to 1,000,000.
            NoPolicyError: the policy does not exist.
            redis.exceptions.ResponseError: the server rejected the command, for example because a limit is over its
                maximum.
        """
        decision = self._check_in_process(key, limits, cost)
        return await self._sessions.run(self._check(key, limits, cost)) if decision is None else decision

    async def peek(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Decision:
        """Returns the decision of `check`, but records nothing."""
        return await self._sessions.run(self._peek(key, limits, cost))

    async def mcheck(self, checks: Sequence[tuple[str | bytes, LimitsLike]], cost: int = 1) -> list[Decision]:
        """Checks several keys, all or none. Returns one decision per key, in order.

        If each key has one rule or one policy, and all are in one slot of a cluster, this is one command (`RL.MCHECK`).
        Otherwise it is one pipeline; if a check is denied, the units that the others recorded are taken back.
        """
        return await self._sessions.run(self._mcheck(checks, cost))

    async def until_allowed(
        self, key: str | bytes, limits: LimitsLike, cost: int = 1, *, max_wait: float = DEFAULT_MAX_WAIT
    ) -> Decision:
        """Repeats `check` until it is allowed, after the waits that the decisions give. Returns the allowed decision.

        The waits have some jitter, so that callers who were denied together do not come back together.

        Args:
            key: the key, in front of which the prefix is set.
            limits: the limits, as for `check`.
            cost: the units to use.
            max_wait: seconds in which the last check is made.

        Raises:
            DeniedError: the next wait does not end within `max_wait`, or no wait changes the denial: the cost exceeds
                the limit, or an operator denied the key.
            ValueError: `max_wait` is negative, and those of `check`.
        """
        steps = waits(max_wait)
        wait = next(steps)
        try:
            while True:
                await asyncio.sleep(wait)
                wait = steps.send(await self.check(key, limits, cost))
        except StopIteration as stop:
            allowed: Decision = stop.value
            return allowed

    def pace(self, key: str | bytes, rule: str, *, max_wait: float | None = None) -> Pace:
        """Returns a pace: at most `rule`, spread evenly over all processes that use the key.

        With `5/second`, `await pace.wait()` lets one caller proceed every 200 ms. While the server is unavailable,
        `fallback` decides: with `local`, each process keeps the whole pace by itself; with `deny`, callers wait until
        the server is available.

        Args:
            key: the key, in front of which the prefix is set.
            rule: one rule as text.
            max_wait: seconds that a caller waits at most; by default as long as needed.

        Raises:
            ValueError: `rule` is no rule or has a limit of 0, or `max_wait` is negative.
        """
        from .pace import Pace

        limits = Limits.paced(rule)
        return Pace(lambda: self.check(key, limits), limits, max_wait)

    async def refund(self, key: str | bytes, cost: int = 1) -> int:
        """Takes back the newest `cost` units. Returns the number of units taken back.

        Raises:
            UnavailableError: the server is unavailable, and `fallback` is not `local`.
        """
        return await self._sessions.run(self._refund(key, cost))

    async def reset(self, key: str | bytes) -> int:
        """Deletes the key's units. Returns the number of deleted units.

        Raises:
            UnavailableError: the server is unavailable, and `fallback` is not `local`.
        """
        return await self._sessions.run(self._reset(key))

    async def reset_all(self) -> int:
        """Deletes the units of all keys with this limiter's prefix. Returns the number of keys that had units.

        For tests. Overrides and policies stay. Finds the keys with `SCAN`, on every primary of a cluster.

        Raises:
            redis.exceptions.RedisError: the server is unavailable, or rejected a command.
        """
        return await self._sessions.run(self._reset_all())

    async def refund_request(self, connection: HTTPConnection) -> int:
        """Takes back the units that a request has recorded so far. Returns their number.

        Pass the request of the endpoint, for example if its result came from a cache.
        """
        return await self._web.enforcer.refund(connection.scope)

    async def reset_request(self, connection: HTTPConnection) -> int:
        """Deletes all units of the keys that a request was checked under. Returns the number of deleted units.

        For example, a successful login can delete the failed ones. The default limit of all endpoints is not reset.
        """
        state = self._web.enforcer.state(connection.scope)
        keys = state.reset_keys
        deleted = sum([await self._sessions.run(self._engine.reset(key)) for key in keys])
        state.forget(keys)
        return deleted

    async def set_override(
        self,
        key: str | bytes,
        action: OverrideAction,
        limits: LimitsLike | None = None,
        *,
        ttl: float | None = None,
    ) -> None:
        """Sets the key's override, for `ttl` seconds if given.

        Raises:
            ValueError: `limit` without rules, another action with rules, or a `ttl` under a millisecond.
            NeedsModuleError: the server does not have the module.
            UnavailableError: the server is unavailable.
        """
        await self._sessions.run(self._set_override(key, action, limits, ttl))

    async def get_override(self, key: str | bytes) -> Override | None:
        """Returns the key's override, if there is one. Raises the errors of `set_override`."""
        return await self._sessions.run(self._get_override(key))

    async def del_override(self, key: str | bytes) -> bool:
        """Deletes the key's override. Returns whether there was one. Raises the errors of `set_override`."""
        return await self._sessions.run(self._del_override(key))

    @cached_property
    def admin(self) -> Admin:
        """The operations of operators: policies, statistics, and what a key holds."""
        from .admin import Admin

        return Admin(self._engine, self._sessions.run)

    async def start(self) -> None:
        """Connects to the server, and verifies all limits that were declared so far.

        Optional: the first check connects by itself, and the lifespan of a protected application calls this. If the
        server is unavailable, limits are not verified.

        Raises:
            ConfigError: limits cannot work. The message has one line for each mistake: a limit over the server's
                maximum, a policy that the server does not have, missing rights, a key that is not registered.
        """
        await self._web.startup.run()

    async def aclose(self) -> None:
        """Stops probes and closes the connections of the running event loop, except those of a client that you passed.

        A later check reopens them.
        """
        await self._sessions.aclose()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def __signature__(self) -> inspect.Signature:
        """Raises `ConfigError`: FastAPI asks for the parameters of `Depends(limiter)`, which has no limits."""
        raise ConfigError('Depends(limiter) has no limits: write Depends(limiter("10/minute"))')

    def __call__(
        self,
        *limits: LimitsArgument,
        key: str | KeyFunction | None = None,
        cost: int | CostFunction = 1,
        scope: str | None = None,
        override_defaults: bool = False,
        on_denied: DenialHandler | None = None,
        count_if: Condition | None = None,
        skip_if: Condition | None = None,
        methods: Iterable[str] = (),
        exempt_when: ExemptFunction | None = None,
    ) -> RateLimitDependency:
        """Returns a limit as a FastAPI dependency: `Depends(limiter("10/second", "1000/hour"))`.

        Args:
            limits: rules, all of which apply; or a mapping of plans to rules, of which the plan of the connection
                applies (the first one if the plan is unknown); or a function of the connection.
            key: the name of a key (`ip`, `api_key`, `user`, or one registered with `key`); or a function of the
                connection that returns a str, or `None` to exempt the request.
            cost: the units of a request, or a function of the connection. A cost of 0 is checked, but not counted; any
                result that is no integer from 0 on costs 1.
            scope: limits of one scope share their units. By default each endpoint is counted separately.
            override_defaults: whether the endpoint is exempt from the default limits.
            on_denied: creates the response if this limit denies; see `on_denied`.
            count_if: whether a request counts, given its response (`status_code`, `headers`). Until it responds, a
                request counts, so concurrent requests cannot exceed the limit. Needs the middleware.
            skip_if: the opposite of `count_if`.
            methods: the HTTP methods to which the limit applies; by default all.
            exempt_when: a function of the connection that returns whether the request is exempt from this limit.

        Functions may be asynchronous, and they may be FastAPI dependencies: those that take more than the connection
        are called by FastAPI. A limit with functions is checked at its place among the endpoint's dependencies, after
        those before it; other limits are checked together with the defaults, before the endpoint's dependencies.

        Raises:
            ValueError: the limits do not parse, or the cost is invalid.
        """
        from .web.dependency import RateLimitDependency
        from .web.limit import RateLimit, parse_limits

        limit = RateLimit.create(
            parse_limits(limits),
            key=key,
            cost=cost,
            scope=scope,
            override_defaults=override_defaults,
            on_denied=on_denied,
            count_if=count_if,
            skip_if=skip_if,
            methods=methods,
            exempt_when=exempt_when,
        )
        self._registry.declare(limit)
        return RateLimitDependency(limit, self._web.enforcer)

    def limit(
        self,
        *limits: LimitsArgument,
        key: str | KeyFunction | None = None,
        cost: int | CostFunction = 1,
        scope: str | None = None,
        override_defaults: bool = False,
        on_denied: DenialHandler | None = None,
        count_if: Condition | None = None,
        skip_if: Condition | None = None,
        methods: Iterable[str] = (),
        exempt_when: ExemptFunction | None = None,
    ) -> Decorator:
        """Returns a limit as a decorator of an endpoint. Takes the arguments of the dependency.

        The endpoint needs no parameter `request`. Place the route's decorator above this one.
        """
        from .web.decorator import decorate
        from .web.misuse import LimitDecorator

        dependency = self(
            *limits,
            key=key,
            cost=cost,
            scope=scope,
            override_defaults=override_defaults,
            on_denied=on_denied,
            count_if=count_if,
            skip_if=skip_if,
            methods=methods,
            exempt_when=exempt_when,
        )

        decorator = LimitDecorator(
            lambda endpoint: decorate(endpoint, dependency), limits[0] if len(limits) == 1 else None
        )
        self._registry.decorators.append(decorator)
        return cast("Decorator", decorator)

    def exempt(self, endpoint: E) -> E:
        """Exempts an endpoint, or all endpoints of a router, from all limits.

        Place the route's decorator above this one. A router is passed as it is: `limiter.exempt(router)`.
        """
        from .web.exemption import exempt

        return exempt(endpoint)

    def plan(self, function: PlanFunction) -> PlanFunction:
        """Decorates the function that returns the plan of a connection. May be asynchronous, and a FastAPI dependency.

        Raises:
            ConfigError: the function has dependencies, but limits of the settings depend on the plan, which are checked
                before FastAPI resolves dependencies; or it is registered below an endpoint that needs it.
        """
        self._registry.register_plan(function)
        return function

    def key(self, name: str) -> Callable[[KeyFunction], KeyFunction]:
        """Decorates a function that returns the key of a connection, and registers it as `name` for the settings.

        Raises:
            TypeError: the function takes more than the connection.
        """

        def register(function: KeyFunction) -> KeyFunction:
            self._registry.register_key(name, function)
            return function

        return register

    def on_denied(self, handler: DenialHandler) -> DenialHandler:
        """Decorates the function that creates the response to a denied request. May be asynchronous.

        The status and the rate limit headers are set on the response that it returns. Without such a function, the
        application's handler of `RateLimited`, of status 429 or of `HTTPException` responds, if it has one.
        """
        self._registry.denial_handler = handler
        return handler

    def protect(self, app: Any) -> None:
        """Adds the middleware to an application, and documents the limits if it is FastAPI's."""
        from .web.middleware import RateLimitMiddleware

        self._registry.apps.append(app)
        self._web.startup.added()
        self._prefix.use_title(getattr(app, "title", None))
        app.add_middleware(RateLimitMiddleware, limiter=self)
        if hasattr(app, "openapi"):
            from .web.openapi import document

            document(app, self._web.enforcer)

    def _apply(self, settings: Settings) -> None:
        self._registry.apply(settings)
