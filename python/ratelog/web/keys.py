"""The keys that requests are counted under."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import quote

from .._core import TrustedProxies

if TYPE_CHECKING:
    from ..settings import Settings
    from .types import Scope

MAX_LENGTH = 128
FALLING_BACK = ("user", "api_key")
"""The built-in keys that are the address without a user or an API key."""
BUILT_IN = ("ip", *FALLING_BACK)
_SAFE = re.compile(r"[A-Za-z0-9:/.@_~+=,\-]+")


def hashed(secret: str | bytes) -> str:
    """Hashes a secret for use in a key: 128 bits of BLAKE2b as hexadecimal digits.

    >>> hashed("s3cr3t")
    'e8ded8ef5b7d6bbbb0d8c0ac4d4b4d5f'
    """
    data = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret
    return blake2b(data, digest_size=16).hexdigest()


def key_safe(key: str) -> str:
    """Escapes a key for use in a Redis key: bounded in length, and without spaces, braces and non-ASCII characters."""
    if len(key) > MAX_LENGTH:
        return f"hash:{hashed(key)}"
    if _SAFE.fullmatch(key):
        return key
    escaped = quote(key, safe=":/.@_~+=,-", errors="surrogatepass")
    return escaped if escaped and len(escaped) <= MAX_LENGTH else f"hash:{hashed(key)}"


def redis_key(prefix: str, key: str, scope: str) -> bytes:
    """Returns the Redis key for a request's escaped key in a scope: `ratelog:{ip:192.0.2.7}:GET /search`.

    The hash tag keeps all Redis keys of one request in one slot of a cluster.
    """
    start = f"{prefix}:" if prefix else ""
    return f"{start}{{{key}}}:{scope}".encode(errors="surrogatepass")


def _is_tcp(scope: Scope) -> bool:
    server = scope.get("server")
    return server is not None and server[1] is not None


def is_address(key: str) -> bool:
    """Whether a built-in key is the address of the client."""
    return key.startswith("ip:")


class BuiltInKeys:
    """The keys that need no code: client address, API key and user."""

    def __init__(self, settings: Settings) -> None:
        self._proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
        self._api_key_header = settings.api_key_header.lower().encode()

    def ip(self, scope: Scope) -> str:
        """Returns `ip:192.0.2.7`; for IPv6 the /64 network."""
        client = scope.get("client")
        if not client and _is_tcp(scope):
            # The client has closed its connection. Without an address, only the peer of a Unix socket may be trusted.
            return "ip:unknown"
        peer = client[0] if client else None
        return f"ip:{self._proxies.client_address(peer, scope['headers']) or peer or 'unknown'}"

    def api_key(self, scope: Scope) -> str:
        """Returns `key:` and the hash of the API key; without an API key, the same as `ip`."""
        for name, value in scope["headers"]:
            if name == self._api_key_header and value:
                return f"key:{hashed(value)}"
        return self.ip(scope)

    def user(self, scope: Scope) -> str:
        """Returns `user:` and the name from an authentication middleware; without a user, the same as `ip`."""
        user = scope.get("user")
        if user is None or not getattr(user, "is_authenticated", False):
            return self.ip(scope)
        try:
            name = user.identity
        except (AttributeError, NotImplementedError):
            name = user.display_name
        return f"user:{name}"
