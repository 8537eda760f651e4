"""An adapter for requests that retries rate-limited requests: `session.mount("https://", RetryAdapter())`."""

from __future__ import annotations

import threading
from time import sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ProxyError, SSLError, Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from ._core import RetryPolicy
from .retry.attempts import Headers, RequestInfo, RetryConfig
from .retry.runner import run_sync
from .retry.throttle import Throttles

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

__all__ = ["RetryAdapter", "RetryPolicy"]


class RetryAdapter(HTTPAdapter):
    """`ratelog.httpx.RetryTransport` for requests.

    `idempotent` overrides, for all requests of the adapter, what their methods imply. To override it for one request,
    use `session.send(request, idempotent=...)`. An adapter cannot be pickled.
    """

    # Makes pickling fail at once, rather than the first request of the unpickled adapter.
    __attrs__ = [*HTTPAdapter.__attrs__, "_config"]  # noqa: RUF012 - declared like this in HTTPAdapter

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        *,
        max_wait: float = 60.0,
        partition: Callable[[PreparedRequest], str] | None = None,
        max_partitions: int = 1000,
        idempotent: bool | None = None,
        **options: Any,
    ) -> None:
        self._config = RetryConfig(policy or RetryPolicy(), max_wait, partition)
        self._throttles = Throttles(threading.Event, max_partitions)
        self._idempotent = idempotent
        self._sleep: Callable[[float], object] = sleep
        super().__init__(**options)

    def send(self, request: PreparedRequest, *args: Any, idempotent: bool | None = None, **options: Any) -> Response:
        """Sends the request, and retries it as configured."""
        url = urlsplit(request.url or "")
        info = RequestInfo(
            request.method or "GET",
            encode_headers(request.headers),
            f"{url.scheme}://{url.hostname}:{url.port}",
            request.body is None or isinstance(request.body, (bytes, str)),
            self._idempotent if idempotent is None else idempotent,
        )
        partition = self._config.partition
        name = info.origin if partition is None else partition(request)
        attempts = self._config.attempts(info, RequestsClient(), self._throttles.get(name))
        send = super().send
        response: Response = run_sync(attempts, lambda: send(request, *args, **options), self._sleep)
        return response


class RequestsClient:
    """Reads the responses and errors of requests."""

    def read_response(self, response: Response) -> tuple[int, Headers]:
        """Returns the status and the headers."""
        return response.status_code, encode_headers(response.headers)

    def may_have_arrived(self, error: BaseException) -> bool | None:
        """Whether the server may have received the request; `None` for an error that a retry would meet again."""
        if isinstance(error, (ProxyError, SSLError)) or not isinstance(error, (RequestsConnectionError, Timeout)):
            return None
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        return not isinstance(error, ConnectTimeout) and not isinstance(
            reason, (NewConnectionError, ConnectTimeoutError)
        )


def encode_headers(headers: Any) -> Headers:
    """Encodes headers as bytes."""
    return [(_encode(name), _encode(value)) for name, value in headers.items()]


def _encode(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")
