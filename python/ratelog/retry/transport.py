"""What the transports for httpx and for its successor httpx2 share; the two differ in their names alone."""

from __future__ import annotations

import threading
from time import sleep
from typing import TYPE_CHECKING, Any

import anyio

from .attempts import Discard, Fields, Journey, Patience, Pause, Send, Sent
from .runner import drive
from .throttle import Lanes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REPEATABLE = "ratelog_repeatable"
"""The extension of a request that says whether it may be sent again."""


class HttpxClient:
    """httpx, or httpx2, as a journey sees it."""

    def __init__(self, httpx: Any) -> None:
        self._in_memory: type[Any] = httpx.ByteStream
        self._unconnected = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        self._lost = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)

    def told(self, response: Any) -> tuple[int, Fields]:
        """Status and header fields."""
        return response.status_code, response.headers.raw

    def arrived(self, error: BaseException) -> bool | None:
        """Whether the request may have arrived; `None` for an error that the next try would meet again."""
        if isinstance(error, self._unconnected):
            return False
        return True if isinstance(error, self._lost) else None

    def sent(self, request: Any) -> Sent:
        """What is to be known of a request."""
        url = request.url
        replayable = isinstance(request.stream, self._in_memory)
        origin = f"{url.scheme}://{url.host}:{url.port}"
        return Sent(request.method, request.headers.raw, origin, replayable, request.extensions.get(REPEATABLE))


class Waiting:
    """A transport around another: what both kinds share."""

    def __init__(self, httpx: Any, transport: Any, patience: Patience, event: Callable[[], Any], most: int) -> None:
        self._client = HttpxClient(httpx)
        self._transport = transport
        self._patience = patience
        self._lanes = Lanes(event, most)

    def _journey(self, request: Any) -> Journey[Any]:
        sent = self._client.sent(request)
        partition = self._patience.partition
        name = sent.origin if partition is None else partition(request)
        return self._patience.journey(sent, self._client, self._lanes, name)


class SyncWaiting(Waiting):
    """Blocks."""

    def __init__(
        self, httpx: Any, transport: Any, patience: Patience, most: int, pause: Callable[[float], object] = sleep
    ) -> None:
        super().__init__(httpx, transport, patience, threading.Event, most)
        self._pause = pause

    def handle_request(self, request: Any) -> Any:
        """Sends the request, again and again if need be."""
        return drive(self._journey(request), lambda: self._transport.handle_request(request), self._pause)

    def close(self) -> None:
        """Closes the transport within."""
        self._transport.close()


class AsyncWaiting(Waiting):
    """Awaits, under asyncio or trio."""

    def __init__(
        self,
        httpx: Any,
        transport: Any,
        patience: Patience,
        most: int,
        pause: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        super().__init__(httpx, transport, patience, anyio.Event, most)
        self._pause = pause

    async def handle_async_request(self, request: Any) -> Any:
        """Sends the request, again and again if need be."""
        journey = self._journey(request)
        try:
            step = next(journey)
            while True:
                if isinstance(step, Send):
                    try:
                        response = await self._transport.handle_async_request(request)
                    except Exception as error:  # noqa: BLE001 - the journey raises what it does not know
                        step = journey.throw(error)
                    else:
                        step = journey.send(response)
                    continue
                if isinstance(step, Discard):
                    await step.response.aclose()
                else:
                    await self._let_pass(step)
                step = next(journey)
        except StopIteration as stop:
            return stop.value
        finally:
            journey.close()

    async def aclose(self) -> None:
        """Closes the transport within."""
        await self._transport.aclose()

    async def _let_pass(self, pause: Pause) -> None:
        if pause.awaited is None:
            await self._pause(pause.seconds)
            return
        with anyio.move_on_after(pause.seconds):
            await pause.awaited.wait()
