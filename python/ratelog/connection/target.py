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
from .client import address_in, user_in

if TYPE_CHECKING:
    from types import ModuleType

    from ..settings import Settings

ClientModule = Literal["redis.asyncio", "redis"]
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


# Does not quote the host, which is the password if the `@` is missing.
_EXPECTED_HOST = "url: expected host:port after the scheme and the credentials, and commas between several"


def common_options(module: ClientModule, settings: Settings) -> dict[str, Any]:
    """The options of redis-py for connections to each kind of server."""
    return {
        "retry": importlib.import_module(f"{module}.retry").Retry(NoBackoff(), 0),
        "socket_connect_timeout": settings.connect_timeout,
        # The asynchronous executor times whole batches itself.
        "socket_timeout": settings.timeout if module == "redis" else None,
        "max_connections": settings.max_connections + 2,
        "client_name": "ratelog",
        # With RESP3, redis-py subscribes to maintenance notifications and then uses connections that the server has
        # closed.
        "protocol": 2,
    }


@dataclass(frozen=True)
class Target:
    """A parsed URL."""

    url: str = field(repr=False)
    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> Target:
        """Parses a URL.

        Raises:
            ConfigError: the URL is invalid. The message never shows a password.
        """
        scheme, separator, rest = url.partition("://")
        kind = _KINDS.get(scheme)
        if not separator or kind is None:
            # The scheme may be missing, so that the text begins with the password.
            found = f", not {scheme}://" if separator and scheme.isalpha() else ""
            raise ConfigError(f"url: expected one of {', '.join(f'{known}://' for known in _KINDS)}{found}")
        _check_credentials(scheme, rest)
        if kind in ("memory", "single"):
            return cls(url, kind, options=_parse_options(url) if kind == "single" else {})
        authority, _, query = rest.partition("?")
        credentials, _, location = authority.rpartition("@")
        hosts, _, path = location.partition("/")
        user, _, password = credentials.partition(":")
        options = _parse_options(f"redis{'s' if scheme.startswith('rediss') else ''}://?{query}")
        options |= {key: unquote(value) for key, value in (("username", user), ("password", password)) if value}
        if options.pop("connection_class", None) is not None:
            options["ssl"] = True
        parsed_hosts = tuple(_parse_host(host, 26379 if kind == "sentinel" else 6379) for host in hosts.split(","))
        service, _, database = path.partition("/")
        if kind == "sentinel":
            if not service:
                raise ConfigError("url: expected the service's name: redis+sentinel://host:26379/service/0")
            options["db"] = _parse_number(database or "0", "the database")
            return cls(url, kind, parsed_hosts, unquote(service), options)
        if path not in ("", "0"):
            raise ConfigError(f"url: a cluster has only database 0, not {path!r}")
        return cls(url, kind, parsed_hosts, "", options)

    @property
    def user(self) -> str:
        """Names the user whose credentials the URL has, for error messages."""
        return user_in(self.options)

    @property
    def address(self) -> str:
        """Names the server in events: `host:port`, the path of a socket, or the service of Sentinels."""
        return self.service or address_in(self.options)

    def client(self, module: ClientModule, settings: Settings) -> Any:
        """Creates a client of redis-py that never retries: a check without a reply may have been recorded.

        `ClusterNodes` creates the clients of a cluster.
        """
        redis = importlib.import_module(module)
        common = common_options(module, settings)
        if self.kind == "single":
            return redis.Redis.from_url(self.url, **common)
        return self._sentinel_client(redis, {**common, **self.options})

    def _sentinel_client(self, redis: ModuleType, options: dict[str, Any]) -> Any:
        sentinel_options = {key: options[key] for key in ("socket_connect_timeout", "retry")}
        sentinel_options["socket_timeout"] = options["socket_connect_timeout"]
        sentinel_options |= {key: value for key, value in options.items() if key == "ssl" or key.startswith("ssl_")}
        sentinel = redis.sentinel.Sentinel(list(self.hosts), sentinel_kwargs=sentinel_options)
        return sentinel.master_for(self.service, **options)


def _check_credentials(scheme: str, rest: str) -> None:
    """Rejects a URL with unescaped credentials: a parser would take a part of the password for the host.

    The credentials end at the last `@`, so that none may follow the host; the path of a socket may have one.
    """
    end = next((index for index, character in enumerate(rest) if character in "/?#"), len(rest))
    authority, path = rest[:end], rest[end:]
    is_socket_path = scheme == "unix" and not authority
    if ("@" in path and not is_socket_path) or (scheme == "unix" and authority.rpartition("@")[2]):
        raise ConfigError(
            "url: a character of the user name or password must be percent-encoded: "
            "'@' as %40, ':' as %3A, '/' as %2F, '?' as %3F, '#' as %23, '%' as %25"
        )


def _parse_options(url: str) -> dict[str, Any]:
    """Parses the options of redis-py in a URL. Errors never show a password."""
    try:
        Redis.from_url(url).connection_pool.make_connection()
        return dict(parse_url(url))  # type: ignore[no-untyped-call]
    except TypeError as error:
        option = str(error).rpartition(" ")[2]
        raise ConfigError(f"url: redis-py has no option {option}") from None
    except (ValueError, RedisError) as error:
        is_option = str(error).startswith(("Invalid value", "Invalid SSL"))
        text = str(error) if is_option else "expected scheme://user:password@host:port/0, percent-encoded"
        raise ConfigError(f"url: {text}") from None


def _parse_host(text: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        raise ConfigError(_EXPECTED_HOST) from None
    if not parts.hostname:
        raise ConfigError(_EXPECTED_HOST)
    return parts.hostname, port or default_port


def _parse_number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"url: expected a number for {name}, not {text!r}")
    return int(text)
