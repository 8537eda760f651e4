"""Runs the attempts of a request with a blocking or an asynchronous client."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .attempts import Attempts, CloseResponse, Send, Sleep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def run_sync(attempts: Attempts[Any], send: Callable[[], Any], sleep: Callable[[float], object]) -> Any:
    """Runs attempts with functions that block."""
    try:
        step = next(attempts)
        while True:
            if isinstance(step, Send):
                try:
                    response = send()
                except Exception as error:  # noqa: BLE001 - the attempts raise the errors that end them
                    step = attempts.throw(error)
                else:
                    step = attempts.send(response)
                continue
            if isinstance(step, CloseResponse):
                step.response.close()
            else:
                seconds = min(step.seconds, threading.TIMEOUT_MAX)
                if step.event is None:
                    sleep(seconds)
                else:
                    step.event.wait(seconds)
            step = next(attempts)
    except StopIteration as stop:
        return stop.value
    finally:
        attempts.close()


async def run_async(
    attempts: Attempts[Any], send: Callable[[], Awaitable[Any]], sleep: Callable[[float], Awaitable[object]]
) -> Any:
    """Runs attempts with functions that are awaited, under asyncio or trio."""
    try:
        step = next(attempts)
        while True:
            if isinstance(step, Send):
                try:
                    response = await send()
                except Exception as error:  # noqa: BLE001 - the attempts raise the errors that end them
                    step = attempts.throw(error)
                else:
                    step = attempts.send(response)
                continue
            if isinstance(step, CloseResponse):
                await step.response.aclose()
            else:
                await _sleep(step, sleep)
            step = next(attempts)
    except StopIteration as stop:
        return stop.value
    finally:
        attempts.close()


async def _sleep(step: Sleep, sleep: Callable[[float], Awaitable[object]]) -> None:
    if step.event is None:
        await sleep(step.seconds)
        return
    # requests does not depend on anyio, but httpx does.
    import anyio

    with anyio.move_on_after(step.seconds):
        await step.event.wait()
