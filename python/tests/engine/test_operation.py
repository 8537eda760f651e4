"""Running operations, with a blocking and an asynchronous `execute`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from ratelog.engine.operation import no_server, run, run_async

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog.engine.commands import Command, Reply
    from ratelog.engine.operation import Operation


def ping_twice() -> Operation[list[Any]]:
    """Sends two commands, and survives a timeout of each."""
    results: list[Any] = []
    for number in range(2):
        try:
            results += yield [("PING", number)]
        except RedisTimeoutError as error:
            results.append(str(error))
    return results


def echo(commands: Sequence[Command]) -> list[Reply]:
    """Replies with the arguments; times out for the first command."""
    if commands[0][1] == 0:
        raise RedisTimeoutError("timed out")
    return [command[1] for command in commands]


def fail(_: Sequence[Command]) -> list[Reply]:
    raise KeyError("unexpected")


async def test_an_operation_receives_replies_and_errors() -> None:
    async def echo_async(commands: Sequence[Command]) -> list[Reply]:
        return echo(commands)

    assert run(ping_twice(), echo) == await run_async(ping_twice(), echo_async) == ["timed out", 1]


async def test_an_error_that_the_operation_does_not_handle_is_raised() -> None:
    async def fail_async(commands: Sequence[Command]) -> list[Reply]:
        return fail(commands)

    with pytest.raises(KeyError, match="unexpected"):
        run(ping_twice(), fail)
    with pytest.raises(KeyError, match="unexpected"):
        await run_async(ping_twice(), fail_async)


def test_a_limiter_without_a_server_sends_no_commands() -> None:
    with pytest.raises(NotImplementedError, match="a limiter without a server sends no commands"):
        run(ping_twice(), no_server)
