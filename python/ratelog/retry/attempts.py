"""The attempts of one request, and the waits between them, without I/O.

`Attempts` is a generator. It yields steps: send the request, sleep, or close a response. It receives the response of
each request, or its exception is thrown into it. Blocking and asynchronous clients share it and differ in the runner
only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .._core import Backoff, RetryHint, RetryPolicy

if TYPE_CHECKING:
    from .throttle import Throttle

Headers = list[tuple[bytes, bytes]]
R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


@dataclass(frozen=True)
class RequestInfo:
    """A request, independent of the HTTP client."""

    method: str
    headers: Headers
    origin: str
    replayable: bool
    """Whether the body can be sent again."""
    idempotent: bool | None = None
    """Overrides what the method and the headers imply."""


class ClientAdapter(Protocol[R_contra]):
    """Reads the responses and errors of an HTTP client."""

    def read_response(self, response: R_contra) -> tuple[int, Headers]:
        """Returns the status and the headers."""

    def may_have_arrived(self, error: BaseException) -> bool | None:
        """Whether the server may have received the request; `None` for an error that a retry would meet again."""


class Send:
    """Send the request."""


@dataclass(frozen=True)
class Sleep:
    """Sleep for `seconds`, or until `event` is set if there is one."""

    seconds: float
    event: Any = None


@dataclass(frozen=True)
class CloseResponse:
    """Close a response that is not the last."""

    response: Any


SEND = Send()
Step = Send | Sleep | CloseResponse
Attempts = Generator[Step, Any, R]


@dataclass
class RetryConfig:
    """How often requests are retried, and how long they wait."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    max_wait: float = 60.0
    """Seconds for which a request is held back at most, over all attempts, while a limit is exhausted."""
    partition: Callable[[Any], str] | None = None
    """Names the limit that a request counts in; by default its origin."""
    monotonic: Callable[[], float] = monotonic
    time: Callable[[], float] = time

    def __post_init__(self) -> None:
        if not self.max_wait >= 0:
            raise ValueError(f"max_wait must be seconds, 0 or more, not {self.max_wait}")

    def attempts(self, request: RequestInfo, client: ClientAdapter[R], throttle: Throttle) -> Attempts[R]:
        """The attempts of a request. Returns the last response, or raises the last error."""
        started = self.monotonic()
        backoff = Backoff(self.policy, request.method, request.headers, request.idempotent)
        throttled = 0.0
        while True:
            before = self.monotonic()
            yield from self._acquire(throttle, before + max(self.max_wait - throttled, 0))
            throttled += self.monotonic() - before
            try:
                response = yield SEND
                status, headers = client.read_response(response)
                hint = RetryHint.from_headers(headers, self.time())
                throttle.on_response(status == 429, hint, self.monotonic(), self.max_wait)
            except Exception as error:
                may_have_arrived = client.may_have_arrived(error)
                wait = None
                if may_have_arrived is not None and request.replayable:
                    wait = backoff.after_error(may_have_arrived, self.monotonic() - started)
                if wait is None:
                    raise
            else:
                wait = None
                if request.replayable:
                    wait = backoff.after_response(status, headers, self.time(), self.monotonic() - started)
                if wait is None:
                    result: R = response
                    return result
                yield CloseResponse(response)
            finally:
                throttle.release()
            yield Sleep(wait)

    def _acquire(self, throttle: Throttle, deadline: float) -> Generator[Step, Any, None]:
        waiter = throttle.join_queue()
        try:
            while (wait := throttle.try_acquire(waiter, self.monotonic(), deadline)) is not None:
                yield Sleep(wait, waiter.event)
        finally:
            throttle.leave_queue(waiter)
