"""What a program says of its limits: by dependencies, decorators and functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from .._core import Decision, Limits, Told
from ..check import LimitsLike, limits_of
from ..errors import ConfigError
from .decorator import decorated
from .keys import BUILT_IN, Subjects, tidy
from .limit import RateLimit, has_dependencies, settled
from .request_state import Passage
from .resolver import Planner, Rulebook
from .routes import EXEMPT
from .types import CostFunction, KeyFunction, LimitsFunction, PlanFunction, Scope, Terms

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from ..check import Check
    from ..engine.operation import Flow
    from ..settings import Settings
    from .request_state import Denial

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
Given = LimitsLike | Mapping[str, LimitsLike] | LimitsFunction
DenialHandler = Callable[["HTTPConnection", "Denial"], Any]


class Decorator(Protocol):
    """Gives a function in place of a function, with the same parameters."""

    def __call__(self, endpoint: F, /) -> F: ...


class Declarations:
    """The part of a limiter that is about requests."""

    settings: Settings
    rulebook: Rulebook

    def __init__(self) -> None:
        self._plan: PlanFunction | None = None
        self._keys: dict[str, KeyFunction] = {}
        self._planners: dict[int, Planner] = {}
        self._place = f"ratelog.{id(self):x}"
        """Where a request's passage is in its scope: each limiter has its own."""
        self.denial_handler: DenialHandler | None = None
        self._read_settings()

    def __call__(
        self,
        *limits: Given,
        key: str | KeyFunction | None = None,
        cost: int | CostFunction = 1,
        scope: str | None = None,
        override_defaults: bool = False,
    ) -> RateLimit:
        """A limit as a FastAPI dependency: `Depends(limiter("10/second", "1000/hour"))`.

        `limits` are rules, which all have to hold; or a mapping of plans to rules, of which that of `plan` holds, the
        first where there is none; or a function of the connection. `key` is a name, `ip`, `api_key`, `user` or one
        given by `key`, or a function of the connection to a str, or `None` to limit it not at all; or one with
        dependencies of its own, which FastAPI calls. `cost` is what a request takes, or a function of the connection.
        Each endpoint is counted by itself, unless `scope` names what is counted together.

        Raises:
            ValueError: rules that are none, or a cost that is none.
        """
        return RateLimit(
            self, self._terms(limits), key=key, cost=cost, scope=scope, override_defaults=override_defaults
        )

    def limit(
        self,
        *limits: Given,
        key: str | KeyFunction | None = None,
        cost: int | CostFunction = 1,
        scope: str | None = None,
        override_defaults: bool = False,
    ) -> Decorator:
        """A limit as a decorator of an endpoint, with the arguments of a dependency.

        The endpoint needs no `request`. The decorator of the route stands above this one.
        """
        limit = self(*limits, key=key, cost=cost, scope=scope, override_defaults=override_defaults)

        def decorator(endpoint: F) -> F:
            return cast("F", decorated(endpoint, limit))

        return decorator

    def exempt(self, endpoint: F) -> F:
        """A decorator of an endpoint that is not limited, by the defaults or otherwise. Below the route's."""
        setattr(endpoint, EXEMPT, True)
        return endpoint

    def plan(self, function: PlanFunction) -> PlanFunction:
        """A decorator of the function that tells a connection's plan; asynchronous or not."""
        self._plan = function
        return function

    def key(self, name: str) -> Callable[[KeyFunction], KeyFunction]:
        """A decorator of a function that tells what a connection is counted under, known by `name` to the settings.

        Raises:
            TypeError: the function takes more than the connection.
        """

        def known(function: KeyFunction) -> KeyFunction:
            if has_dependencies(function):
                raise TypeError(f"the key {name!r} takes the connection alone: nobody calls its dependencies")
            self._keys[name] = function
            return function

        return known

    def on_denied(self, handler: DenialHandler) -> DenialHandler:
        """A decorator of the function that makes the response to a denied request; asynchronous or not. Status and
        header fields are set on what it returns."""
        self.denial_handler = handler
        return handler

    def protect(self, app: Any) -> None:
        """Limits all requests of an application, and has FastAPI document it."""
        from .middleware import RateLimitMiddleware
        from .openapi import document

        app.add_middleware(RateLimitMiddleware, limiter=self)
        if hasattr(app, "openapi"):
            document(app, self)

    # What follows is for the parts of this package.

    def decide(self, checks: Sequence[Check]) -> Awaitable[list[Decision | None]]:
        """A decision for each of the checks of a request."""
        return self._run(self._decide(checks))

    def passage(self, scope: Scope) -> Passage:
        """The passage of a request."""
        passage: Passage | None = scope.get(self._place)
        if passage is None:
            passage = scope[self._place] = Passage(self)
        return passage

    def planner(self, scope: Scope, app: Any = None) -> Planner | None:
        """The planner of the application that a request is for."""
        app = scope.get("app", app)
        if app is None:
            return None
        # The planner keeps the application, so that its id is its own.
        planner = self._planners.get(id(app))
        if planner is None:
            planner = self._planners[id(app)] = Planner(self, app)
        return planner

    def subject(self, key: str | None, connection: HTTPConnection) -> Any:
        """What a connection is counted under by the key of that name; perhaps something to be awaited."""
        name = self.settings.key if key is None else key
        function = self._keys.get(name)
        if function is not None:
            return function(connection)
        if name not in BUILT_IN:
            raise ConfigError(
                f"there is no key named {name!r}: expected ip, api_key, user, or a name given by limiter.key"
            )
        return getattr(self._subjects, name)(connection.scope)

    async def plan_of(self, connection: HTTPConnection) -> str | None:
        """The plan of a connection."""
        if self._plan is None:
            raise ConfigError("limits of plans need a function that tells the plan: @limiter.plan")
        told: str | None = await settled(self._plan(connection))
        return told

    def key_name(self, subject: str, scope: str) -> bytes:
        """The key that a subject is counted under, in what `scope` names: `ratelog:{ip:192.0.2.7}:GET /search`.

        Its hash tag keeps all keys of a subject in one slot of a cluster.
        """
        return f"{self.settings.prefix}:{{{tidy(subject)}}}:{scope}".encode(errors="surrogatepass")

    def told(self, limits: tuple[Limits, ...]) -> Told:
        """What responses tell of these limits."""
        return _told(limits, self.settings.headers)

    def _read_settings(self) -> None:
        self._subjects, self.rulebook = Subjects(self.settings), Rulebook(self.settings, self)

    def _terms(self, limits: Sequence[Given]) -> Terms:
        if len(limits) == 1 and not isinstance(limits[0], (str, Limits)):
            (given,) = limits
            if isinstance(given, Mapping):
                if not given:
                    raise ValueError("limits of plans need at least one plan")
                return {plan: limits_of(rules) for plan, rules in given.items()}
            if callable(given):
                return given
        if not limits:
            raise ValueError("a limit needs at least one rule, such as '100/minute'")
        if len(limits) == 1:
            return limits_of(cast("LimitsLike", limits[0]))
        if not all(isinstance(rules, str) for rules in limits):
            raise ValueError("several limits are rules as text; a mapping, a function or Limits stand alone")
        return limits_of("; ".join(cast("Sequence[str]", limits)))

    async def start(self) -> None:
        """Connects."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Closes the connections."""
        raise NotImplementedError

    def _run(self, flow: Flow[T]) -> Awaitable[T]:
        raise NotImplementedError

    def _decide(self, checks: Sequence[Check], *, recall: bool = True) -> Flow[list[Decision | None]]:
        raise NotImplementedError


@lru_cache(maxsize=1024)
def _told(limits: tuple[Limits, ...], family: Any) -> Told:
    return Told(limits, family)
