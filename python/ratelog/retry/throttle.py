"""Client-side throttles: they hold requests back while the server reports an exhausted limit."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from .._core import ThrottleState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import RetryHint


class Waiter:
    """A request in a throttle's queue."""

    event: Any = None
    """Set when the request should try again. A `threading.Event` or `anyio.Event`."""


class Throttle:
    """The throttle of one limit, with a queue. Thread-safe.

    Only the first request in the queue may acquire it, and a request after its deadline.
    """

    def __init__(self, create_event: Callable[[], Any]) -> None:
        self._create_event = create_event
        self._state = ThrottleState()
        self._queue: deque[Waiter] = deque()
        self._lock = threading.Lock()

    def join_queue(self) -> Waiter:
        """Appends a request to the queue. Call `leave_queue` in the end."""
        waiter = Waiter()
        with self._lock:
            self._queue.append(waiter)
        return waiter

    def try_acquire(self, waiter: Waiter, now: float, deadline: float) -> float | None:
        """Starts the request and returns `None` if it may be sent now.

        Otherwise returns the seconds after which to try again, unless `waiter.event` is set before.
        """
        with self._lock:
            wait = None
            if self._queue[0] is waiter or now >= deadline:
                wait = self._state.try_acquire(now, deadline)
                if wait == 0:
                    return None
            waiter.event = self._create_event()
            return deadline - now if wait is None else wait

    def leave_queue(self, waiter: Waiter) -> None:
        """Removes a request from the queue and wakes up the first one."""
        with self._lock:
            self._queue.remove(waiter)
            self._wake_first()

    def on_response(self, denied: bool, hint: RetryHint, now: float, max_wait: float) -> None:
        """Updates the throttle from the response to a request that was started.

        A wait longer than `max_wait` holds nothing back.
        """
        with self._lock:
            self._state.on_response(denied, hint, now, max_wait)

    def release(self) -> None:
        """Ends a request that was started."""
        with self._lock:
            self._state.release()
            self._wake_first()

    def _wake_first(self) -> None:
        if self._queue and self._queue[0].event is not None:
            self._queue[0].event.set()


class Throttles:
    """Throttles by name. Keeps the `max_size` most recently used; a new throttle holds nothing back. Thread-safe."""

    def __init__(self, create_event: Callable[[], Any], max_size: int = 1000) -> None:
        self._create_event = create_event
        self._max_size = max_size
        self._by_name: OrderedDict[str, Throttle] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> Throttle:
        """Returns the throttle of that name, which may be new."""
        with self._lock:
            throttle = self._by_name.get(name)
            if throttle is None:
                throttle = self._by_name[name] = Throttle(self._create_event)
                if len(self._by_name) > self._max_size:
                    self._by_name.popitem(last=False)
            else:
                self._by_name.move_to_end(name)
            return throttle

    def __len__(self) -> int:
        return len(self._by_name)
