"""Properties of redis-py's clients, also of those that an application passes."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_client(client: Any, *, is_async: bool) -> None:
    """Checks that a client is of the kind that the limiter needs.

    Raises:
        ConfigError: the client is of another kind, or is no client.
    """
    found = f"{type(client).__module__}.{type(client).__qualname__}"
    execute = getattr(type(client), "execute_command", None)
    if execute is None or not (hasattr(client, "connection_pool") or is_cluster(client)):
        hint = "; pass what its method master_for returns" if hasattr(client, "master_for") else ""
        raise ConfigError(f"client: expected a client such as redis.asyncio.Redis or redis.Redis, not {found}{hint}")
    if iscoroutinefunction(execute) is is_async:
        return
    if is_async:
        raise ConfigError(
            f"client: RateLimiter needs an asyncio client such as redis.asyncio.Redis, not {found}; "
            "for this client use SyncRateLimiter"
        )
    raise ConfigError(
        f"client: SyncRateLimiter needs a blocking client such as redis.Redis, not {found}; "
        "for this client use RateLimiter"
    )


def is_cluster(client: Any) -> bool:
    """Whether it is the client of a cluster."""
    return "Cluster" in type(client).__name__


def options_of(client: Any) -> Mapping[str, Any]:
    """The options of a client's connections."""
    owner = getattr(client, "connection_pool", None) or getattr(client, "nodes_manager", None)
    return getattr(client, "connection_kwargs", None) or getattr(owner, "connection_kwargs", None) or {}


def user_of(client: Any) -> str:
    """Names the user whose credentials a client sends, for error messages."""
    return user_in(options_of(client))


def address_in(options: Mapping[str, Any]) -> str:
    """The server in the options of a client: `host:port`, or the path of a socket; empty if it is unknown."""
    return options.get("path") or (f"{options['host']}:{options.get('port', 6379)}" if options.get("host") else "")


def user_in(options: Mapping[str, Any]) -> str:
    """Names the user in the options of a client."""
    if options.get("credential_provider") is not None:
        return "the credential provider"
    user, password = options.get("username"), options.get("password")
    if user and not password:
        # A colon may be missing in front of the password: `redis://password@host`.
        return "the user without a password"
    return f"user {user or 'default'!r}"


def clients_of(client: Any) -> list[Any]:
    """A client and the clients of its Sentinels, which redis-py does not close with it."""
    sentinels = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [client, *(sentinels.sentinels if sentinels is not None else ())]


def max_connections_of(client: Any, max_connections: int) -> int:
    """The maximum number of connections: `max_connections`, or less if the client's pool allows less."""
    pool_size = getattr(getattr(client, "connection_pool", None), "max_connections", None)
    return max_connections if pool_size is None else max(1, min(max_connections, pool_size))
