"""Properties of redis-py's clients, also of those that an application passes."""

from __future__ import annotations

from typing import Any


def clients_of(client: Any) -> list[Any]:
    """A client and the clients of its Sentinels, which redis-py does not close with it."""
    sentinels = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [client, *(sentinels.sentinels if sentinels is not None else ())]


def max_connections_of(client: Any, max_connections: int) -> int:
    """The maximum number of connections: `max_connections`, or less if the client's pool allows less."""
    pool_size = getattr(getattr(client, "connection_pool", None), "max_connections", None)
    return max_connections if pool_size is None else max(1, min(max_connections, pool_size))
