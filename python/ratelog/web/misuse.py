"""Wrong uses of limits, found when they are declared or when the application starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterable


class LimitDecorator:
    """A limit as a decorator.

    FastAPI asks for its parameters if it is used in another way: as an endpoint (`@limiter.limit` without parentheses),
    or as a dependency.
    """

    def __init__(self, decorate: Callable[[Callable[..., Any]], Any], argument: object) -> None:
        """`argument` is the only argument of `limiter.limit`: the endpoint, if the parentheses are missing."""
        self._decorate = decorate
        self.endpoint = argument if callable(argument) else None
        self.is_used = False

    def __call__(self, endpoint: Callable[..., Any]) -> Any:
        self.is_used = True
        return self._decorate(endpoint)

    @property
    def __signature__(self) -> inspect.Signature:
        """Raises `ConfigError`: a decorator has no parameters to resolve."""
        raise ConfigError(self.mistake)

    @property
    def mistake(self) -> str:
        """The error of a decorator that was not called with an endpoint."""
        if self.endpoint is None:
            return 'limiter.limit(...) is a decorator; as a dependency write Depends(limiter("10/minute"))'
        name = getattr(self.endpoint, "__qualname__", repr(self.endpoint))
        return f'@limiter.limit on {name} has no limits: write @limiter.limit("10/minute")'


def reject_router(target: object) -> None:
    """Raises `ConfigError` if a limit decorates a router or an application."""
    if hasattr(target, "routes"):
        kind = type(target).__name__
        raise ConfigError(
            f"a limit cannot decorate {kind}: pass it as a dependency, "
            f'{kind}(dependencies=[Depends(limiter("10/minute"))])'
        )


def reject_routed(endpoint: Callable[..., Any], apps: Iterable[Any]) -> None:
    """Raises `ConfigError` if an endpoint is in the routes of an application before its limit decorates it."""
    if any(getattr(route, "endpoint", None) is endpoint for app in apps for route in getattr(app, "routes", ())):
        raise ConfigError(misplaced(endpoint))


def authenticates(app: Any) -> bool:
    """Whether Starlette's `AuthenticationMiddleware` is among the middlewares of `app`."""
    from starlette.middleware.authentication import AuthenticationMiddleware

    while app is not None and not isinstance(app, AuthenticationMiddleware):
        app = getattr(app, "app", None)
    return app is not None


def misplaced(endpoint: Callable[..., Any]) -> str:
    """The error for a limit above the route's decorator."""
    return (
        f"the limit of {endpoint.__qualname__} has no effect, since it is above the route's decorator: place "
        "@limiter.limit directly above the function (if another route has the function without the limit, declare that "
        "one later)"
    )
