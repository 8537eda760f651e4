"""Runs operations on the shards of a cluster. Every command that they yield is a `NodeCommand` for one node."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from .classify import OtherShardError, describe
from .node_command import NodeCommand, NodeFailure
from .redirect import Redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .commands import Command, Reply
    from .operation import Operation
    from .shard import Shard

T = TypeVar("T")

MAX_REDIRECTS = 5
"""The most redirects of one command. One leads to a slot's new owner, and one more follows if the slot is moving on."""


class Router:
    """Sends the commands of an operation to a shard, and follows redirects."""

    def __init__(self, find: Callable[[Redirect], Shard]) -> None:
        """`find` returns the shard that a redirect names."""
        self._find = find

    def run(self, shard: Shard, operation: Operation[T]) -> Operation[T]:
        """Runs an operation of `shard`.

        After a redirect, the other commands of the operation go to the same node: it may lack the script, too.
        """
        at, is_asking = shard, False
        try:
            commands = next(operation)
            while True:
                replies, at, is_asking = yield from self._send(shard, commands, at, is_asking)
                failure = next((reply for reply in replies if isinstance(reply, NodeFailure)), None)
                commands = operation.send(replies) if failure is None else operation.throw(failure.error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            operation.close()

    def _send(
        self, origin: Shard, commands: Sequence[Command], shard: Shard, is_asking: bool
    ) -> Operation[tuple[list[Reply], Shard, bool]]:
        """Returns the replies and the node that sent the last one."""
        replies: list[Reply] = [None] * len(commands)
        routes = dict.fromkeys(range(len(commands)), (shard, is_asking))
        for _ in range(1 + MAX_REDIRECTS):
            received = iter((yield _addressed(commands, routes)))
            redirected: dict[int, tuple[Shard, bool]] = {}
            for index, (at, asking) in routes.items():
                if asking:
                    next(received)
                reply = replies[index] = next(received)
                if isinstance(reply, NodeFailure) and at is not origin:
                    at.record_failure(reply.error)
                    at.count_unanswered(1, reply.error)
                    replies[index] = _failure_elsewhere(at, reply.error)
                elif (redirect := Redirect.from_reply(reply, at.address)) is not None:
                    shard, is_asking = self._find(redirect), redirect.is_ask
                    if shard.is_lost:
                        replies[index] = _failure_elsewhere(shard, None)
                    else:
                        redirected[index] = (shard, is_asking)
            if not redirected:
                break
            routes = redirected
        return replies, shard, is_asking


def together(operations: Sequence[Operation[T]]) -> Operation[list[T | Exception]]:
    """Runs operations at once: the next commands of all of them are sent together. Returns their results or errors."""
    results: dict[int, T | Exception] = {}
    waiting: dict[int, Sequence[Command]] = {}

    def advance(index: int, step: Callable[[], Sequence[Command]]) -> None:
        try:
            waiting[index] = step()
        except StopIteration as stop:
            results[index] = stop.value
        except Exception as error:  # noqa: BLE001 - the caller decides which errors to raise
            results[index] = error

    for index, operation in enumerate(operations):
        advance(index, partial(next, operation))
    while waiting:
        sent = waiting.copy()
        waiting.clear()
        replies = iter((yield [command for commands in sent.values() for command in commands]))
        for index, commands in sent.items():
            advance(index, partial(operations[index].send, list(islice(replies, len(commands)))))
    return [results[index] for index in range(len(operations))]


def _addressed(commands: Sequence[Command], routes: dict[int, tuple[Shard, bool]]) -> list[NodeCommand]:
    addressed = []
    for index, (shard, is_asking) in routes.items():
        if is_asking:
            # Concerns the next command of the connection. The commands for a node stay together.
            addressed.append(NodeCommand("ASKING", nodes=shard.address))
        addressed.append(NodeCommand(*commands[index], nodes=shard.address))
    return addressed


def _failure_elsewhere(shard: Shard, error: Exception | None) -> NodeFailure:
    reason = shard.breaker.last_error if error is None else describe(error)
    failure = OtherShardError(f"the shard {shard.address} is unavailable: {reason}")
    failure.__cause__ = error
    return NodeFailure(failure)
