"""Responses of earlier attempts, cancelled requests, and other event loops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import trio

import ratelog.httpx
import ratelog.httpx2
from ratelog._core import RetryPolicy
from support.wait import TIMEOUT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

POLICY = RetryPolicy(max_attempts=3, base=0.001)
URL = "http://example.com/"
LIBRARIES = [(httpx, ratelog.httpx), (httpx2, ratelog.httpx2)]


def streams(library: Any) -> tuple[type[Any], list[int]]:
    """Response bodies that record when they are closed."""
    closed: list[int] = []

    class Body(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, status: int) -> None:
            self.status = status

        def __iter__(self) -> Iterator[bytes]:
            yield b"body"

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"body"

        def close(self) -> None:
            closed.append(self.status)

        async def aclose(self) -> None:
            closed.append(self.status)

    return Body, closed


@pytest.mark.parametrize(("library", "transports"), LIBRARIES)
@pytest.mark.parametrize("loop", ["none", "asyncio", "trio"])
def test_all_responses_but_the_last_are_closed(library: Any, transports: Any, loop: str) -> None:
    body, closed = streams(library)
    statuses = iter([429, 503, 200])

    def answer() -> Any:
        status = next(statuses)
        return library.Response(status, headers={"retry-after": "0"}, stream=body(status))

    class Within(library.BaseTransport, library.AsyncBaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return answer()

        async def handle_async_request(self, request: Any) -> Any:
            return answer()

    async def send() -> None:
        async with (
            library.AsyncClient(transport=transports.AsyncRetryTransport(Within(), POLICY)) as client,
            client.stream("GET", URL) as response,
        ):
            assert closed == [429, 503]
            assert await response.aread() == b"body"

    if loop == "none":
        with (
            library.Client(transport=transports.RetryTransport(Within(), POLICY)) as client,
            client.stream("GET", URL) as response,
        ):
            assert closed == [429, 503]
            assert response.read() == b"body"
    elif loop == "trio":
        trio.run(send)
    else:
        asyncio.run(send())
    assert closed == [429, 503, 200]


@pytest.mark.parametrize(("library", "transports"), LIBRARIES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirected_request_is_retried_with_its_body(library: Any, transports: Any, method: str) -> None:
    bodies: list[bytes] = []
    answers = iter(
        [library.Response(307, headers={"location": "/there"}), library.Response(429), library.Response(200)]
    )

    def answer(request: Any) -> Any:
        bodies.append(request.read())
        return next(answers)

    transport = transports.RetryTransport(library.MockTransport(answer), POLICY)
    body = b"body" if method == "POST" else b""
    with library.Client(transport=transport, follow_redirects=True) as client:
        assert client.request(method, URL, content=body).status_code == 200
    assert bodies == [body] * 3


@pytest.mark.parametrize("given_up", ["sent", "waiting"])
async def test_a_cancelled_request_holds_no_other_back(given_up: str) -> None:
    going: list[str] = []
    answers = {name: asyncio.Event() for name in ("/first", "/one", "/other", "/third")}
    answers["/first"].set()

    async def answer(request: httpx.Request) -> httpx.Response:
        going.append(request.url.path)
        await answers[request.url.path].wait()
        return httpx.Response(200, headers={"ratelimit": '"a";r=1'})

    transport = ratelog.httpx.AsyncRetryTransport(httpx.MockTransport(answer))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        await client.get("/first")
        one = asyncio.ensure_future(client.get("/one"))
        await until("the first request is in progress", lambda: "/one" in going)
        other = asyncio.ensure_future(client.get("/other"))
        third = asyncio.ensure_future(client.get("/third"))
        await until("the last request is waiting", lambda: queue_length(transport) == 2)
        (one if given_up == "sent" else other).cancel()
        answers["/one"].set()
        answers["/other"].set()
        answers["/third"].set()
        done = await asyncio.wait_for(asyncio.gather(one, other, third, return_exceptions=True), TIMEOUT)
        assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in done) == 1
        assert going[-1] == "/third"


def queue_length(transport: Any) -> int:
    (throttle,) = transport._throttles._by_name.values()
    return len(throttle._queue)
