"""Runs operations on the shards of a cluster. Every command that they yield is a `NodeCommand` for one node."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .._core import hash_slot
from .classify import LacksModuleError, OtherShardError, classify, describe
from .commands import has_script_form, is_missing_script, is_unknown_command, key_of
from .node_command import NodeCommand, NodeFailure
from .redirect import NO_OWNER, Redirect, is_about_slot, is_split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .commands import Command, Reply
    from .operation import Operation
    from .shard import Shard

T = TypeVar("T")

MAX_REDIRECTS = 5
"""The most redirects of one command. One leads to a slot's new owner, and one more follows if the slot is moving on."""


class _Target(NamedTuple):
    """Where a command goes."""

    shard: Shard
    is_asking: bool
    """Whether the node only imports the slot."""


class Router:
    """Sends the commands of operations to shards, and follows redirects."""

    def __init__(self, find: Callable[[Redirect], Shard], report_doubt: Callable[[], None]) -> None:
        """`find` returns the shard that a redirect names. `report_doubt` is called if no node owns a slot."""
        self.find = find
        self.report_doubt = report_doubt

    def run(self, shard: Shard, operation: Operation[T]) -> Operation[T]:
        """Runs an operation of `shard`."""
        route = _Route(self, _Target(shard, is_asking=False))
        try:
            commands = next(operation)
            while True:
                replies = yield from route.send(commands)
                failure = next((reply for reply in replies if isinstance(reply, NodeFailure)), None)
                commands = operation.send(replies) if failure is None else operation.throw(failure.error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            operation.close()


class _Route:
    """Where the commands of one operation go."""

    def __init__(self, router: Router, origin: _Target) -> None:
        self._origin = origin
        self._last = origin
        """The target of the last redirect, or the last one that lacked the script. Commands without a key go to it."""
        self._router = router
        self._by_slot: dict[int, _Target] = {}
        """The new owners of slots that have moved."""
        self._by_key: dict[bytes | None, _Target] = {}
        """The importing nodes of keys. The old owner may still have other keys of their slots."""

    def send(self, commands: Sequence[Command]) -> Operation[list[Reply]]:
        """Returns the replies. A failure of another shard than the origin is an `OtherShardError`."""
        replies: list[Reply] = [None] * len(commands)
        targets = dict(enumerate(map(self._target, commands)))
        for _ in range(1 + MAX_REDIRECTS):
            received = iter((yield _addressed(commands, targets)))
            redirected: dict[int, _Target] = {}
            failed: set[Shard] = set()
            for index, target in targets.items():
                if target.is_asking:
                    next(received)
                reply = next(received)
                if target.shard is not self._origin.shard:
                    reply = _from_other_shard(target.shard, commands[index], reply, failed)
                replies[index], redirect = self._follow(commands[index], target, reply)
                if redirect is not None:
                    redirected[index] = redirect
            if not redirected:
                break
            targets = redirected
        return replies

    def _target(self, command: Command) -> _Target:
        key = key_of(command)
        if key is None:
            return self._last
        target = self._by_key.get(key)
        return self._by_slot.get(hash_slot(key), self._origin) if target is None else target

    def _follow(self, command: Command, target: _Target, reply: Reply) -> tuple[Reply, _Target | None]:
        """Returns the reply to the operation, and the node to ask instead if there is one."""
        if self._origin.shard.backend.is_module_probe(command):
            # Another node says nothing about this one.
            return reply, None
        redirect = Redirect.from_reply(reply, target.shard.address)
        if redirect is None:
            if is_about_slot(reply):
                self._router.report_doubt()
                reply = OtherShardError(NO_OWNER)
                target.shard.count_unanswered(1, reply)
            elif is_missing_script(reply):
                self._last = target
            return reply, None
        target = _Target(self._router.find(redirect), redirect.is_ask)
        if target.shard.is_lost:
            return _unavailable(target.shard), None
        self._last = target
        if target.is_asking:
            self._by_key[key_of(command)] = target
        else:
            self._by_slot[redirect.slot] = target
        return OtherShardError(f"the command is redirected more than {MAX_REDIRECTS} times"), target


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


def _addressed(commands: Sequence[Command], targets: dict[int, _Target]) -> list[NodeCommand]:
    addressed = []
    for index, (shard, is_asking) in targets.items():
        if is_asking:
            # Concerns the next command of the connection. The commands for a node stay together.
            addressed.append(NodeCommand("ASKING", nodes=shard.address))
        addressed.append(NodeCommand(*commands[index], nodes=shard.address))
    return addressed


def _from_other_shard(shard: Shard, command: Command, reply: Reply, failed: set[Shard]) -> Reply:
    """The reply to the operation of the shard that redirected the command.

    `failed` are the shards that have failed in this round trip: one that is lost loses all commands that it was sent.
    """
    error = reply.error if isinstance(reply, NodeFailure) else reply
    if isinstance(error, Exception) and classify(error) and not (is_about_slot(error) or is_split(error)):
        if shard not in failed:
            failed.add(shard)
            shard.record_failure(error)
        shard.count_unanswered(1, error)
        return _unavailable(shard, error)
    shard.breaker.record_success()
    if is_unknown_command(reply) and has_script_form(command) and shard.backend.lack_module():
        return LacksModuleError(f"the shard {shard.address} lacks the module")
    return reply


def _unavailable(shard: Shard, error: Exception | None = None) -> OtherShardError:
    reason = shard.breaker.last_error if error is None else describe(error)
    failure = OtherShardError(f"the shard {shard.address} is unavailable: {reason}")
    failure.__cause__ = error
    return failure
