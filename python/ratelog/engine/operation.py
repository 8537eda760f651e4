"""Operations without I/O, and the two ways to run them.

An operation is a generator. It yields the commands to send. It receives their replies, in which errors of the server
are exceptions; if sending fails, the error is thrown into it. It returns its result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

from .commands import Command, Reply

T = TypeVar("T")
Operation = Generator[Sequence[Command], Sequence[Reply], T]
Execute = Callable[[Sequence[Command]], Sequence[Reply]]
AsyncExecute = Callable[[Sequence[Command]], Awaitable[Sequence[Reply]]]


def run(operation: Operation[T], execute: Execute) -> T:
    """Runs an operation with an `execute` that blocks."""
    try:
        commands = next(operation)
        while True:
            try:
                replies = execute(commands)
            except Exception as error:  # noqa: BLE001 - the operation raises the errors that it does not handle
                commands = operation.throw(error)
            else:
                commands = operation.send(replies)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def run_async(operation: Operation[T], execute: AsyncExecute) -> T:
    """Runs an operation with an `execute` that is awaited."""
    try:
        commands = next(operation)
        while True:
            try:
                replies = await execute(commands)
            except Exception as error:  # noqa: BLE001 - the operation raises the errors that it does not handle
                commands = operation.throw(error)
            else:
                commands = operation.send(replies)
    except StopIteration as stop:
        result: T = stop.value
        return result


def no_server(_: Sequence[Command]) -> Sequence[Reply]:
    """The `execute` of a limiter without a server, whose operations send no commands."""
    raise NotImplementedError("a limiter without a server sends no commands")
