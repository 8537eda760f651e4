"""Doing what a journey asks for by blocking."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .attempts import Discard, Journey, Send

if TYPE_CHECKING:
    from collections.abc import Callable


def drive(journey: Journey[Any], send: Callable[[], Any], pause: Callable[[float], object]) -> Any:
    """A journey of a client that blocks."""
    try:
        step = next(journey)
        while True:
            if isinstance(step, Send):
                try:
                    response = send()
                except Exception as error:  # noqa: BLE001 - the journey raises what it does not know
                    step = journey.throw(error)
                else:
                    step = journey.send(response)
                continue
            if isinstance(step, Discard):
                step.response.close()
            else:
                seconds = min(step.seconds, threading.TIMEOUT_MAX)
                if step.awaited is None:
                    pause(seconds)
                else:
                    step.awaited.wait(seconds)
            step = next(journey)
    except StopIteration as stop:
        return stop.value
    finally:
        journey.close()
