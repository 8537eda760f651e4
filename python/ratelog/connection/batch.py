"""What goes out together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from .pool import Asked


class Batch:
    """Commands, and by when they have to be answered, by the event loop's clock."""

    __slots__ = ("asked", "due", "is_begun", "is_extended", "task", "timer")

    timer: asyncio.TimerHandle

    def __init__(self, due: float) -> None:
        self.asked: Asked = []
        self.due = due
        self.task: asyncio.Task[None] | None = None
        self.is_begun = False
        """Whether it has come to be sent: a task that is cancelled before its first step never runs."""
        self.is_extended = False

    def fail(self, error: BaseException) -> None:
        """Nothing more will be answered."""
        self.end()
        for _, future in self.asked:
            if not future.done():
                future.set_exception(error)

    def end(self) -> None:
        """Everything is answered that will be."""
        self.timer.cancel()
