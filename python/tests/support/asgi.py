"""Requests to an application without a socket, and a limiter that records their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from ratelog import CheckCompleted, Event, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT = "192.0.2.1"


def client_for(
    app: Any, ip: str = CLIENT, headers: Mapping[str, str] | None = None, **options: Any
) -> httpx.AsyncClient:
    """A client with the address `ip`."""
    transport = httpx.ASGITransport(app, client=(ip, 40000), **options)
    return httpx.AsyncClient(transport=transport, base_url="http://api.example.com", headers=headers)


async def fetch(app: Any, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    """Sends one request."""
    async with client_for(app, **options) as client:
        return await client.request(method, path)


async def statuses(app: Any, *paths: str, **options: Any) -> list[int]:
    """Sends GET requests in sequence and returns their statuses."""
    async with client_for(app, **options) as client:
        return [(await client.get(path)).status_code for path in paths]


async def status_of(app: Any, scope: dict[str, Any]) -> int:
    """The status of the response to a request that no client would send."""
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    (status,) = statuses
    return status


def remaining(response: httpx.Response) -> dict[str, int]:
    """The remaining units in a response's headers, by rule."""
    items = [item.split(";") for item in response.headers.get("ratelimit", "").split(", ") if item]
    return {item[0].strip('"'): int(item[1].removeprefix("r=")) for item in items}


def recording_limiter(**options: Any) -> tuple[RateLimiter, list[str]]:
    """A limiter, and the keys of its checks."""
    keys: list[str] = []

    def hook(event: Event) -> None:
        if isinstance(event, CheckCompleted):
            keys.extend(check.key.decode() for check in event.checks)

    return RateLimiter("memory://", hooks=[hook], **options), keys
