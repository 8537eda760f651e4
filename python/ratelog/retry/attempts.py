"""The tries of one request, and the waits between them, without doing any I/O.

A journey is a generator: it yields what is to be done next, and is sent the response, or has thrown into it what was
raised instead of one. So clients that await and clients that block differ in how they do it, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .._core import Hint, RetryPolicy, Tries

if TYPE_CHECKING:
    from .throttle import Lanes, Shared

Fields = list[tuple[bytes, bytes]]
R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


@dataclass(frozen=True)
class Sent:
    """What the journey has to know of a request."""

    method: str
    headers: Fields
    origin: str
    replayable: bool
    """Whether its body can be sent again."""
    repeatable: bool | None = None
    """Overrules what its method and headers say of sending it again."""


class Client(Protocol[R_contra]):
    """What the journey has to know of a client."""

    def told(self, response: R_contra) -> tuple[int, Fields]:
        """The status and the header fields of a response."""

    def arrived(self, error: BaseException) -> bool | None:
        """Whether the request may have arrived; `None` for an error that is no server's, and ends the journey."""


class Send:
    """The request is to be sent."""


@dataclass(frozen=True)
class Pause:
    """So many seconds are to pass; or, where something is awaited, at most as many."""

    seconds: float
    awaited: Any = None


@dataclass(frozen=True)
class Discard:
    """The response is not the last: it is to be closed."""

    response: Any


SEND = Send()
Step = Send | Pause | Discard
Journey = Generator[Step, Any, R]


@dataclass
class Patience:
    """How long requests wait, and how often they are tried."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    max_wait: float = 60.0
    """Seconds that a request is held back at most, over all its tries, while nothing is left of a limit."""
    partition: Callable[[Any], str] | None = None
    """Which requests share a limit; none: those of one origin."""
    now: Callable[[], float] = monotonic
    date: Callable[[], float] = time

    def __post_init__(self) -> None:
        if not self.max_wait >= 0:
            raise ValueError(f"max_wait is a time in seconds, not {self.max_wait}")

    def journey(self, sent: Sent, client: Client[R], lanes: Lanes, lane_name: str) -> Journey[R]:
        """The tries of a request: the last response, or the last error."""
        began = self.now()
        tries = Tries(self.policy, sent.method, sent.headers, sent.repeatable)
        shared = lanes.of(lane_name)
        held = 0.0
        while True:
            asked = self.now()
            yield from self._enter(shared, asked + max(self.max_wait - held, 0))
            held += self.now() - asked
            try:
                response = yield SEND
                status, headers = client.told(response)
                shared.answered(status == 429, Hint.read(headers, self.date()), self.now())
            except Exception as error:
                arrived = client.arrived(error)
                wait = None
                if arrived is not None and sent.replayable:
                    wait = tries.after_error(arrived, self.now() - began)
                if wait is None:
                    raise
            else:
                wait = (
                    tries.after_response(status, headers, self.date(), self.now() - began) if sent.replayable else None
                )
                if wait is None:
                    result: R = response
                    return result
                yield Discard(response)
            finally:
                shared.left()
            yield Pause(wait)

    def _enter(self, shared: Shared, latest: float) -> Generator[Step, Any, None]:
        place = shared.line_up()
        try:
            while (wait := shared.ask(place, self.now(), latest)) is not None:
                yield Pause(wait, place.called)
        finally:
            shared.step_out(place)
