"""Operations that do no I/O: each is a generator that yields the commands which a server is to be asked.

It is sent their replies (those that are errors among them, as exceptions), or has thrown into it what was raised in
their place, and returns the outcome.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

from .commands import Command, Reply

T = TypeVar("T")
Flow = Generator[Sequence[Command], Sequence[Reply], T]
Ask = Callable[[Sequence[Command]], Sequence[Reply]]
AsyncAsk = Callable[[Sequence[Command]], Awaitable[Sequence[Reply]]]


def run(flow: Flow[T], ask: Ask) -> T:
    """The outcome of a flow whose questions `ask` answers by blocking."""
    try:
        commands = next(flow)
        while True:
            try:
                replies = ask(commands)
            except Exception as error:  # noqa: BLE001 - the flow raises what is not for it
                commands = flow.throw(error)
            else:
                commands = flow.send(replies)
    except StopIteration as stop:
        outcome: T = stop.value
        return outcome


async def run_async(flow: Flow[T], ask: AsyncAsk) -> T:
    """The same where answers are awaited."""
    try:
        commands = next(flow)
        while True:
            try:
                replies = await ask(commands)
            except Exception as error:  # noqa: BLE001 - the flow raises what is not for it
                commands = flow.throw(error)
            else:
                commands = flow.send(replies)
    except StopIteration as stop:
        outcome: T = stop.value
        return outcome


def nobody(_: Sequence[Command]) -> Sequence[Reply]:
    """For flows that ask nobody."""
    raise NotImplementedError("a limiter without a server asks nobody")
