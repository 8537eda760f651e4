"""What a request is counted under."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import quote

from .._core import Proxies

if TYPE_CHECKING:
    from ..settings import Settings
    from .types import Scope

LONGEST = 128
BUILT_IN = frozenset({"ip", "api_key", "user"})
_PLAIN = re.compile(r"[A-Za-z0-9:/.@_~+=,\-]+")


def hashed(secret: str | bytes) -> str:
    """What stands for a secret in a key: 128 bits of its BLAKE2b, as hexadecimal digits.

    >>> hashed("s3cr3t")
    'e8ded8ef5b7d6bbbb0d8c0ac4d4b4d5f'
    """
    data = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret
    return blake2b(data, digest_size=16).hexdigest()


def tidy(subject: str) -> str:
    """The subject as it stands in a key's name: of bounded length, without spaces, braces and what is not ASCII."""
    if len(subject) > LONGEST:
        return f"hash:{hashed(subject)}"
    if _PLAIN.fullmatch(subject):
        return subject
    plain = quote(subject, safe=":/.@_~+=,-", errors="surrogatepass")
    return plain if plain and len(plain) <= LONGEST else f"hash:{hashed(subject)}"


class Subjects:
    """The subjects that need no code: by address, by API key, by user."""

    def __init__(self, settings: Settings) -> None:
        self._proxies = Proxies(settings.trusted_proxies, settings.proxy_field)
        self._api_key = settings.api_key_header.lower().encode()

    def ip(self, scope: Scope) -> str:
        """`ip:192.0.2.7`; of IPv6 the network of 64 bits."""
        client = scope.get("client")
        peer = client[0] if client else None
        return f"ip:{self._proxies.client(peer, scope['headers']) or peer or 'unknown'}"

    def api_key(self, scope: Scope) -> str:
        """`key:` and the hash of the API key; without one, as `ip`."""
        for name, value in scope["headers"]:
            if name == self._api_key and value:
                return f"key:{hashed(value)}"
        return self.ip(scope)

    def user(self, scope: Scope) -> str:
        """`user:` and the name of who an authentication middleware says it is; of nobody, as `ip`."""
        user = scope.get("user")
        if user is None or not getattr(user, "is_authenticated", False):
            return self.ip(scope)
        try:
            name = user.identity
        except (AttributeError, NotImplementedError):
            name = user.display_name
        return f"user:{name}"
