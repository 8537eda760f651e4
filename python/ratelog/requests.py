"""An adapter for requests that waits as long as it is told: `session.mount("https://", RetryAdapter())`."""

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
from .retry.attempts import Fields, Patience, Sent
from .retry.runner import drive
from .retry.throttle import Lanes

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

__all__ = ["RetryAdapter", "RetryPolicy"]


class RetryAdapter(HTTPAdapter):
    """`ratelog.httpx.RetryTransport` for requests. `repeatable` overrules what methods say, for all requests of the
    adapter; `session.send(request, repeatable=...)` does it for one. It cannot be pickled."""

    # So that pickling fails, rather than the first request of what was pickled.
    __attrs__ = [*HTTPAdapter.__attrs__, "_patience"]  # noqa: RUF012 - as it is in HTTPAdapter

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        *,
        max_wait: float = 60.0,
        partition: Callable[[PreparedRequest], str] | None = None,
        max_partitions: int = 1000,
        repeatable: bool | None = None,
        **options: Any,
    ) -> None:
        self._patience = Patience(policy or RetryPolicy(), max_wait, partition)
        self._lanes = Lanes(threading.Event, max_partitions)
        self._repeatable = repeatable
        self._pause: Callable[[float], object] = sleep
        super().__init__(**options)

    def send(self, request: PreparedRequest, *args: Any, repeatable: bool | None = None, **options: Any) -> Response:
        """Sends the request, again and again if need be."""
        url = urlsplit(request.url or "")
        sent = Sent(
            request.method or "GET",
            fields_of(request.headers),
            f"{url.scheme}://{url.hostname}:{url.port}",
            request.body is None or isinstance(request.body, (bytes, str)),
            self._repeatable if repeatable is None else repeatable,
        )
        partition = self._patience.partition
        name = sent.origin if partition is None else partition(request)
        journey = self._patience.journey(sent, self, self._lanes, name)
        send = super().send
        response: Response = drive(journey, lambda: send(request, *args, **options), self._pause)
        return response

    def told(self, response: Response) -> tuple[int, Fields]:
        """Status and header fields."""
        return response.status_code, fields_of(response.headers)

    def arrived(self, error: BaseException) -> bool | None:
        """Whether the request may have arrived; `None` for an error that the next try would meet again."""
        if isinstance(error, (ProxyError, SSLError)) or not isinstance(error, (RequestsConnectionError, Timeout)):
            return None
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        return not isinstance(error, ConnectTimeout) and not isinstance(
            reason, (NewConnectionError, ConnectTimeoutError)
        )


def fields_of(headers: Any) -> Fields:
    """Header fields as bytes."""
    return [(_bytes(name), _bytes(value)) for name, value in headers.items()]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")
