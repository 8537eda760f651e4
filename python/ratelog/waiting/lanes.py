"""Requests that share a limit, by origin or as a program tells."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from .._core import Lane

if TYPE_CHECKING:
    from collections.abc import Callable


class Shared:
    """A lane, and an event of the driver's kind that tells those who wait in it of each answer."""

    def __init__(self, event: Callable[[], Any]) -> None:
        self.lane = Lane()
        self.answered = event()
        self._event = event

    def tell(self) -> None:
        """Another request is over: whoever waits may ask again."""
        answered, self.answered = self.answered, self._event()
        answered.set()


class Lanes:
    """Lanes by name, of which those used least are forgotten beyond so many; what is forgotten holds nothing back."""

    def __init__(self, event: Callable[[], Any], most: int = 1000) -> None:
        self._event = event
        self._most = most
        self._known: OrderedDict[str, Shared] = OrderedDict()

    def of(self, name: str) -> Shared:
        """The lane of that name."""
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
