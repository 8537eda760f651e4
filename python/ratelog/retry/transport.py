"""The transports that `ratelog.httpx` and `ratelog.httpx2` share. The two libraries differ in their names only."""

from __future__ import annotations

import threading
from time import sleep
from typing import TYPE_CHECKING, Any

import anyio

from .attempts import Attempts, Headers, RequestInfo, RetryConfig
from .runner import run_async, run_sync
from .throttle import Throttles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

IDEMPOTENT = "ratelog_idempotent"
"""The request extension that says whether a request may be sent again."""


class HttpxAdapter:
    """Reads the requests, responses and errors of httpx or httpx2."""

    def __init__(self, httpx: Any) -> None:
        self._in_memory: type[Any] = httpx.ByteStream
        self._not_connected = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        self._lost = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)

    def read_response(self, response: Any) -> tuple[int, Headers]:
        """Returns the status and the headers."""
        return response.status_code, response.headers.raw

    def may_have_arrived(self, error: BaseException) -> bool | None:
        """Whether the server may have received the request; `None` for an error that a retry would meet again."""
        if isinstance(error, self._not_connected):
            return False
        return True if isinstance(error, self._lost) else None

    def request_info(self, request: Any) -> RequestInfo:
        """Describes a request."""
        url = request.url
        replayable = isinstance(request.stream, self._in_memory)
        origin = f"{url.scheme}://{url.host}:{url.port}"
        return RequestInfo(request.method, request.headers.raw, origin, replayable, request.extensions.get(IDEMPOTENT))


class BaseRetryTransport:
    """A transport that wraps another one and retries its requests."""

    def __init__(
        self,
        httpx: Any,
        transport: Any,
        config: RetryConfig,
        create_event: Callable[[], Any],
        max_partitions: int,
    ) -> None:
        self._adapter = HttpxAdapter(httpx)
        self._transport = transport
        self._config = config
        self._throttles = Throttles(create_event, max_partitions)

    def _attempts(self, request: Any) -> Attempts[Any]:
        info = self._adapter.request_info(request)
        partition = self._config.partition
        name = info.origin if partition is None else partition(request)
        return self._config.attempts(info, self._adapter, self._throttles.get(name))


class SyncRetryBase(BaseRetryTransport):
    """The blocking transport."""

    def __init__(
        self,
        httpx: Any,
        transport: Any,
        config: RetryConfig,
        max_partitions: int,
        sleep: Callable[[float], object] = sleep,
    ) -> None:
        super().__init__(httpx, transport, config, threading.Event, max_partitions)
        self._sleep = sleep

    def handle_request(self, request: Any) -> Any:
        """Sends the request, and retries it as configured."""
        return run_sync(self._attempts(request), lambda: self._transport.handle_request(request), self._sleep)

    def close(self) -> None:
        """Closes the wrapped transport."""
        self._transport.close()


class AsyncRetryBase(BaseRetryTransport):
    """The asynchronous transport, for asyncio and trio."""

    def __init__(
        self,
        httpx: Any,
        transport: Any,
        config: RetryConfig,
        max_partitions: int,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        super().__init__(httpx, transport, config, anyio.Event, max_partitions)
        self._sleep = sleep

    async def handle_async_request(self, request: Any) -> Any:
        """Sends the request, and retries it as configured."""
        return await run_async(
            self._attempts(request), lambda: self._transport.handle_async_request(request), self._sleep
        )

    async def aclose(self) -> None:
        """Closes the wrapped transport."""
        await self._transport.aclose()
