"""Transports for httpx that retry rate-limited requests: `httpx.Client(transport=RetryTransport())`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from ._core import RetryPolicy
from .retry.attempts import RetryConfig
from .retry.transport import AsyncRetryBase, SyncRetryBase

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncRetryTransport", "RetryPolicy", "RetryTransport"]


class RetryTransport(SyncRetryBase, httpx.BaseTransport):
    """Retries requests that were denied or lost, and holds requests back while the server reports no quota left.

    The wait before a retry is `Retry-After`, or `t` of `RateLimit`, or a backoff with jitter, within the bounds of
    `policy`. A denied request (429) is retried whatever its method, because a limiter denies a request before it has
    any effect, and so is one that could not connect. After other errors a request is retried only if its method is
    idempotent or it has an `Idempotency-Key`; the request extension `ratelog_idempotent` overrides this. A streamed
    body is sent once.

    If a response reports no quota left, later requests to its origin, or of the same `partition`, are held back until
    there is quota, for at most `max_wait` seconds each. The last response is returned, whatever its status.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport | None = None,
        policy: RetryPolicy | None = None,
        *,
        max_wait: float = 60.0,
        partition: Callable[[httpx.Request], str] | None = None,
        max_partitions: int = 1000,
    ) -> None:
        config = RetryConfig(policy or RetryPolicy(), max_wait, partition)
        super().__init__(httpx, transport or httpx.HTTPTransport(), config, max_partitions)


class AsyncRetryTransport(AsyncRetryBase, httpx.AsyncBaseTransport):
    """`RetryTransport` for `httpx.AsyncClient`."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None = None,
        policy: RetryPolicy | None = None,
        *,
        max_wait: float = 60.0,
        partition: Callable[[httpx.Request], str] | None = None,
        max_partitions: int = 1000,
    ) -> None:
        config = RetryConfig(policy or RetryPolicy(), max_wait, partition)
        super().__init__(httpx, transport or httpx.AsyncHTTPTransport(), config, max_partitions)
