"""A batch of commands that one pipeline sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine.commands import Command, Reply

if TYPE_CHECKING:
    import asyncio

PendingCommands = list[tuple[Sequence[Command], "asyncio.Future[list[Reply]]"]]
"""Commands, each with the future that receives their replies."""


class Batch:
    """Commands with a deadline on the event loop's clock."""

    __slots__ = ("deadline", "is_extended", "is_started", "pending", "task", "timer")

    timer: asyncio.TimerHandle

    def __init__(self, deadline: float) -> None:
        self.pending: PendingCommands = []
        self.deadline = deadline
        self.task: asyncio.Task[None] | None = None
        self.is_started = False
        """Whether the task took its first step: a task that is cancelled before never runs."""
        self.is_extended = False

    def fail(self, error: BaseException) -> None:
        """Sets an error for all commands without replies."""
        self.finish()
        for _, future in self.pending:
            if not future.done():
                future.set_exception(error)

    def finish(self) -> None:
        """Cancels the timer."""
        self.timer.cancel()
