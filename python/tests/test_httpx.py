"""The transports for httpx and httpx2, and the adapter for requests, against a real server that denies requests."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests
from fastapi import FastAPI

import ratelog.httpx
import ratelog.httpx2
import ratelog.requests
from ratelog import CheckCompleted, RateLimiter
from ratelog._core import RetryPolicy
from support.uvicorn_server import serve_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


def by_httpx(url: str, times: int) -> list[int]:
    with httpx.Client(transport=ratelog.httpx.RetryTransport()) as client:
        return [client.get(url).status_code for _ in range(times)]


def by_httpx2(url: str, times: int) -> list[int]:
    with httpx2.Client(transport=ratelog.httpx2.RetryTransport()) as client:
        return [client.post(url, content=b"x").status_code for _ in range(times)]


def by_async_httpx(url: str, times: int) -> list[int]:
    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(transport=ratelog.httpx.AsyncRetryTransport()) as client:
            return [answer.status_code for answer in await asyncio.gather(*[client.get(url) for _ in range(times)])]

    return asyncio.run(all_at_once())


def by_async_httpx2(url: str, times: int) -> list[int]:
    async def all_at_once() -> list[int]:
        async with httpx2.AsyncClient(transport=ratelog.httpx2.AsyncRetryTransport()) as client:
            return [answer.status_code for answer in await asyncio.gather(*[client.get(url) for _ in range(times)])]

    return asyncio.run(all_at_once())


def by_requests(url: str, times: int) -> list[int]:
    with requests.Session() as session:
        session.mount("http://", ratelog.requests.RetryAdapter())
        return [session.get(url).status_code for _ in range(times)]


def by_requests_in_threads(url: str, times: int) -> list[int]:
    statuses: list[int] = []
    with requests.Session() as session:
        session.mount("http://", ratelog.requests.RetryAdapter())
        threads = [threading.Thread(target=lambda: statuses.append(session.get(url).status_code)) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return statuses


CLIENTS = [by_httpx, by_httpx2, by_async_httpx, by_async_httpx2, by_requests, by_requests_in_threads]


class Limited:
    """An application with a limit, and its decisions."""

    def __init__(self, headers: str, limit: str = "2/second") -> None:
        self.decided: list[bool] = []
        limiter = RateLimiter("memory://", default=limit, headers=headers, hooks=[self._record_event])
        self.app = FastAPI()
        limiter.protect(self.app)
        self.app.add_api_route("/", lambda: None, methods=["GET", "POST"])

    def _record_event(self, event: object) -> None:
        if isinstance(event, CheckCompleted):
            self.decided.append(event.allowed)


@pytest.fixture(params=["draft-11", "none"])
def limited(request: pytest.FixtureRequest) -> Iterator[tuple[str, Limited]]:
    limited = Limited(request.param)
    with serve_in_thread(limited.app) as url:
        yield url, limited


@pytest.mark.parametrize("send", CLIENTS, ids=lambda send: send.__name__)
def test_clients_that_retry_are_served(send: Any, limited: tuple[str, Limited]) -> None:
    url, application = limited
    assert send(url, 5) == [200] * 5
    assert application.decided.count(True) == 5


def test_a_client_that_reads_the_headers_is_not_denied() -> None:
    limited = Limited("draft-11")
    with serve_in_thread(limited.app) as url:
        by_httpx(url, 5)
    assert limited.decided == [True] * 5


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_streamed_body_is_sent_once(asynchronous: bool) -> None:
    limited = Limited("draft-11", "2/minute")

    async def stream_async() -> Any:
        yield b"x"

    async def send_async(url: str) -> int:
        async with httpx.AsyncClient(transport=ratelog.httpx.AsyncRetryTransport(max_wait=0)) as client:
            for _ in range(2):
                await client.post(url)
            return (await client.post(url, content=stream_async())).status_code

    def send(url: str) -> int:
        with httpx.Client(transport=ratelog.httpx.RetryTransport(max_wait=0)) as client:
            for _ in range(2):
                client.post(url)
            return client.post(url, content=iter([b"x"])).status_code

    with serve_in_thread(limited.app) as url:
        assert (asyncio.run(send_async(url)) if asynchronous else send(url)) == 429


def test_a_connect_error_is_raised_after_the_last_attempt() -> None:
    policy = RetryPolicy(max_attempts=2, base=0.001)
    unreachable = "http://127.0.0.1:1/"
    with (
        httpx.Client(transport=ratelog.httpx.RetryTransport(policy=policy)) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get(unreachable)
    with requests.Session() as session:
        session.mount("http://", ratelog.requests.RetryAdapter(policy))
        with pytest.raises(requests.ConnectionError):
            session.get(unreachable)

    async def send() -> None:
        async with httpx.AsyncClient(transport=ratelog.httpx.AsyncRetryTransport(policy=policy)) as client:
            await client.get(unreachable)

    with pytest.raises(httpx.ConnectError):
        asyncio.run(send())


def test_requests_of_one_partition_share_a_throttle() -> None:
    seen: list[str] = []
    answers = iter([httpx.Response(200, headers={"ratelimit": '"a";r=0;t=60'}), httpx.Response(200)])
    within = httpx.MockTransport(lambda _: next(answers))

    def partition(request: httpx.Request) -> str:
        seen.append(request.url.path)
        return request.url.path

    with httpx.Client(transport=ratelog.httpx.RetryTransport(within, partition=partition)) as client:
        # The second request is not held back for a minute, because it has another partition.
        assert [client.get(f"http://example.com/{path}").status_code for path in "ab"] == [200, 200]
    assert seen == ["/a", "/b"]
    with requests.Session() as session:
        session.mount("http://", ratelog.requests.RetryAdapter(RetryPolicy(max_attempts=1), partition=lambda _: "one"))
        with pytest.raises(requests.ConnectionError):
            session.get("http://127.0.0.1:1/")
