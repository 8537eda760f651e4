"""Running the attempts of a request."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from ratelog.retry.attempts import SEND, Attempts, CloseResponse, Sleep
from ratelog.retry.runner import run_async, run_sync


def test_an_infinite_wait_is_reduced_to_what_threads_support() -> None:
    waits: list[float] = []

    class FakeEvent:
        wait = waits.append

    def attempts() -> Attempts[str]:
        yield Sleep(math.inf, FakeEvent)
        yield Sleep(math.inf)
        return "over"

    assert run_sync(attempts(), lambda: None, waits.append) == "over"
    assert waits == [threading.TIMEOUT_MAX] * 2


class FakeResponse:
    def __init__(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


async def test_asynchronous_attempts_receive_responses_and_errors() -> None:
    first, waits = FakeResponse(), []
    answers: list[Any] = [OSError("lost"), first]

    async def send() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def attempts() -> Attempts[str]:
        with pytest.raises(OSError, match="lost"):
            yield SEND
        yield Sleep(2.0)
        yield CloseResponse((yield SEND))
        return "over"

    assert await run_async(attempts(), send, sleep) == "over"
    assert first.closed
    assert waits == [2.0]


def test_attempts_end_with_an_error_of_the_wait() -> None:
    ended: list[bool] = []

    def attempts() -> Attempts[None]:
        try:
            yield Sleep(1.0)
        finally:
            ended.append(True)

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sync(attempts(), lambda: None, sleep)
    assert ended == [True]
