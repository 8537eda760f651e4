"""Requests that share a limit, by origin or as a program tells."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from .._core import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Hint


class Place:
    """One request's in the line of those who wait."""

    called: Any = None
    """An event of the driver's kind: the request is to ask again, if it is the first."""


class Shared:
    """A lane, and the line of those who wait to enter it: the first of them asks it, the others wait to be the first.

    For any number of threads.
    """

    def __init__(self, event: Callable[[], Any]) -> None:
        self._event = event
        self._lane = Lane()
        self._line: deque[Place] = deque()
        self._lock = threading.Lock()

    def line_up(self) -> Place:
        """A place at the end of the line; to be left by `step_out`."""
        place = Place()
        with self._lock:
            self._line.append(place)
        return place

    def ask(self, place: Place, now: float, latest: float) -> float | None:
        """Begins the request, if it may be sent now (`None`). Else how many seconds to wait, unless it is `called`
        before, until it asks again."""
        with self._lock:
            wait = None
            if self._line[0] is place or now >= latest:
                wait = self._lane.enter(now, latest)
                if wait == 0:
                    return None
            place.called = self._event()
            return latest - now if wait is None else wait

    def step_out(self, place: Place) -> None:
        """The place is another's."""
        with self._lock:
            self._line.remove(place)
            self._call_first()

    def answered(self, refused: bool, hint: Hint, now: float) -> None:
        """The answer to a request that was begun is there."""
        with self._lock:
            self._lane.answered(refused, hint, now)

    def left(self) -> None:
        """A request that was begun is over."""
        with self._lock:
            self._lane.left()
            self._call_first()

    def _call_first(self) -> None:
        if self._line and self._line[0].called is not None:
            self._line[0].called.set()


class Lanes:
    """Lanes by name, of which those used least are forgotten beyond so many; what is forgotten holds nothing back.

    For any number of threads.
    """

    def __init__(self, event: Callable[[], Any], most: int = 1000) -> None:
        self._event = event
        self._most = most
        self._known: OrderedDict[str, Shared] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, name: str) -> Shared:
        """The lane of that name."""
        with self._lock:
            shared = self._known.get(name)
            if shared is None:
                shared = self._known[name] = Shared(self._event)
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
            else:
                self._known.move_to_end(name)
            return shared

    def __len__(self) -> int:
        return len(self._known)
