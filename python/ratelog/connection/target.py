"""The servers that a URL names, and redis-py's clients for them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError

from ..errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from ..settings import Settings

Flavour = Literal["redis.asyncio", "redis"]
Kind = Literal["memory", "single", "cluster", "sentinel"]

_KINDS: dict[str, Kind] = {
    "memory": "memory",
    "redis": "single",
    "rediss": "single",
    "unix": "single",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
}


@dataclass(frozen=True)
class Target:
    """What a URL says."""

    url: str = field(repr=False)
    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> Target:
        """Reads a URL.

        Raises:
            ConfigError: it is none of a limiter. What it may hold of a password is not shown.
        """
        scheme, separator, rest = url.partition("://")
        kind = _KINDS.get(scheme)
        if not separator or kind is None:
            raise ConfigError(f"url: expected one of {', '.join(f'{known}://' for known in _KINDS)}, not {scheme!r}")
        if kind == "single":
            _options(url)
        if kind in ("memory", "single"):
            return cls(url, kind)
        name, _, query = rest.partition("?")
        credentials, _, places = name.rpartition("@")
        hosts, _, path = places.partition("/")
        user, _, password = credentials.partition(":")
        options = _options(f"redis{'s' if scheme.startswith('rediss') else ''}://?{query}")
        options |= {key: unquote(value) for key, value in (("username", user), ("password", password)) if value}
        if options.pop("connection_class", None) is not None:
            options["ssl"] = True
        found = tuple(_host(host, 26379 if kind == "sentinel" else 6379) for host in hosts.split(","))
        service, _, database = path.partition("/")
        if kind == "sentinel":
            if not service:
                raise ConfigError("url: expected the service's name: redis+sentinel://host:26379/service/0")
            options["db"] = _number(database or "0", "the database")
            return cls(url, kind, found, unquote(service), options)
        if path not in ("", "0"):
            raise ConfigError(f"url: a cluster has database 0 alone, not {path!r}")
        return cls(url, kind, found, "", options)

    def client(self, flavour: Flavour, settings: Settings) -> Any:
        """A client of redis-py that never sends a command again: a check that was not answered may have counted."""
        redis = importlib.import_module(flavour)
        common: dict[str, Any] = {
            "retry": importlib.import_module(f"{flavour}.retry").Retry(NoBackoff(), 0),
            "socket_connect_timeout": settings.connect_timeout,
            # An asynchronous check has a timer of its own, for a batch.
            "socket_timeout": settings.timeout if flavour == "redis" else None,
            "max_connections": settings.pool_size + 2,
            "client_name": "ratelog",
            # By RESP3, redis-py asks for notices of maintenance, and then uses connections that the server has closed.
            "protocol": 2,
        }
        if self.kind == "single":
            return redis.Redis.from_url(self.url, **common)
        options = {**common, **self.options}
        if self.kind == "cluster":
            nodes = [importlib.import_module(f"{flavour}.cluster").ClusterNode(host, port) for host, port in self.hosts]
            return redis.RedisCluster(startup_nodes=nodes, **options)
        return self._by_sentinel(redis, options)

    def _by_sentinel(self, redis: ModuleType, options: dict[str, Any]) -> Any:
        patience = {key: options[key] for key in ("socket_connect_timeout", "retry")}
        patience["socket_timeout"] = options["socket_connect_timeout"]
        sentinel = redis.sentinel.Sentinel(list(self.hosts), sentinel_kwargs=patience)
        return sentinel.master_for(self.service, **options)


def _options(url: str) -> dict[str, Any]:
    """What redis-py reads from a URL; nothing of it is shown that may be of a password."""
    try:
        Redis.from_url(url).connection_pool.make_connection()
        return dict(parse_url(url))  # type: ignore[no-untyped-call]
    except TypeError as error:
        option = str(error).rpartition(" ")[2]
        raise ConfigError(f"url: redis-py has no option {option}") from None
    except (ValueError, RedisError) as error:
        text = str(error) if str(error).startswith("Invalid") else "expected scheme://user:password@host:port/0"
        raise ConfigError(f"url: {text}") from None


def clients_of(client: Any) -> list[Any]:
    """A client, and those that it asks for its server: Sentinels are not closed with it."""
    sentinels = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [client, *(sentinels.sentinels if sentinels is not None else ())]


def lanes_of(client: Any, most: int) -> int:
    """How many connections at once may be had of a client: `most`, or what its pool allows."""
    allowed = getattr(getattr(client, "connection_pool", None), "max_connections", None)
    return most if allowed is None else max(1, min(most, allowed))


def _host(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        raise ConfigError(f"url: expected host:port, not {text!r}") from None
    if not parts.hostname:
        raise ConfigError(f"url: expected host:port, not {text!r}")
    return parts.hostname, port or default


def _number(text: str, what: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"url: expected a number for {what}, not {text!r}")
    return int(text)
