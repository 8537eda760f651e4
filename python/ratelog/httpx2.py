"""Transports for httpx2 that wait as long as they are told: `httpx2.Client(transport=RetryTransport())`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from ._core import RetryPolicy
from .retry.attempts import Patience
from .retry.transport import AsyncWaiting, SyncWaiting

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncRetryTransport", "RetryPolicy", "RetryTransport"]


class RetryTransport(SyncWaiting, httpx2.BaseTransport):
    """Sends a request again when it was refused or got lost, after the wait that it was told; and holds requests back
    while the server says that nothing is left.

    It waits for `Retry-After`, else for `RateLimit`'s `t`, else for a backoff with jitter, within the bounds of
    `policy`. A request that was denied (429) is sent again whatever its method, since a limiter refuses before it lets
    anything happen; other errors only where the method is idempotent or there is an `Idempotency-Key`. The extension
    `ratelog_repeatable` of a request overrules that. A body that is a stream is sent once.

    Requests to one origin, or of one `partition`, that nothing is left for are held back for as long as the last
    response told, but at most `max_wait` seconds each. The last response is returned, whatever it is.
    """

    def __init__(
        self,
        transport: httpx2.BaseTransport | None = None,
        policy: RetryPolicy | None = None,
        *,
        max_wait: float = 60.0,
        partition: Callable[[httpx2.Request], str] | None = None,
        max_partitions: int = 1000,
    ) -> None:
        patience = Patience(policy or RetryPolicy(), max_wait, partition)
        super().__init__(httpx2, transport or httpx2.HTTPTransport(), patience, max_partitions)


class AsyncRetryTransport(AsyncWaiting, httpx2.AsyncBaseTransport):
    """`RetryTransport` for `httpx2.AsyncClient`."""

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport | None = None,
        policy: RetryPolicy | None = None,
        *,
        max_wait: float = 60.0,
        partition: Callable[[httpx2.Request], str] | None = None,
        max_partitions: int = 1000,
    ) -> None:
        patience = Patience(policy or RetryPolicy(), max_wait, partition)
        super().__init__(httpx2, transport or httpx2.AsyncHTTPTransport(), patience, max_partitions)
