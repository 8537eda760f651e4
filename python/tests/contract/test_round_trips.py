"""The table of round trips in docs/python.md, compared with a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import Depends, FastAPI, Request

from ratelog import RateLimiter
from support.asgi import fetch
from support.proxy import Proxy
from support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import HTTPConnection

    from support.server import Server

HEADER = "| a request | round trips |\n| --- | --- |\n"


def documented() -> dict[str, int]:
    """The rows of the table. A row that begins with "the same" refers to the last one that does not."""
    _, table = (ROOT / "docs/python.md").read_text().split(HEADER)
    rows: dict[str, int] = {}
    base = ""
    for row in table.split("\n\n")[0].splitlines():
        _, request, number, _ = (cell.strip() for cell in row.split("|"))
        if request.startswith("the same"):
            request = base + request.removeprefix("the same")
        else:
            base = request.removesuffix(", counted")
        rows[request] = int(number)
    return rows


EARLY = "a default, a limit of the settings and two limits of the endpoint, without functions"
COSTS = "these limits with several rules and costs"
CASES = {
    EARLY: ("/early", 4),
    f"{EARLY}, denied by one of them": ("/early/denied", 0),
    COSTS: ("/costs", 4),
    f"{COSTS}, denied by one of them": ("/costs/denied", 0),
    "two limits of the endpoint, without the middleware": ("/early", 2),
    "a default and a limit with a key function": ("/late", 2),
    "a default and a limit with a key function, denied at its place": ("/late/denied", 0),
    "a default and two limits with functions": ("/late/two", 3),
    "a default and a limit with `count_if`, counted": ("/condition/counted", 2),
    "a default and a limit with `count_if`, not counted": ("/condition/not-counted", 1),
    "a default and a limit, with `refund_request` in the endpoint": ("/refund", 0),
    "a default and a limit, with `reset_request` in the endpoint": ("/reset", 1),
    "an exempt endpoint": ("/exempt", 0),
}
"""A path for each arrangement, and the number of keys that hold units after one request."""
WITHOUT_MIDDLEWARE = {"two limits of the endpoint, without the middleware"}


def by_address(connection: HTTPConnection) -> str:
    return "" if connection.client is None else connection.client.host


def add_endpoints(app: FastAPI, limiter: RateLimiter) -> None:
    def endpoint() -> int:
        return 1

    for path, *limits in (
        ("/early", limiter("8/hour"), limiter("9/hour", key="user")),
        ("/early/denied", limiter("8/hour"), limiter("0/hour", key="user")),
        ("/costs", limiter("8/hour", "90/day", cost=2), limiter("9/hour", cost=3)),
        ("/costs/denied", limiter("8/hour", "90/day", cost=2), limiter("0/hour", cost=3)),
        ("/late", limiter("9/hour", key=by_address)),
        ("/late/denied", limiter("0/hour", key=by_address)),
        ("/late/two", limiter("9/hour", key=by_address), limiter("9/hour", cost=lambda _: 2)),
        ("/condition/counted", limiter("9/hour", count_if=lambda response: response.status_code == 200)),
        ("/condition/not-counted", limiter("9/hour", count_if=lambda response: response.status_code == 401)),
    ):
        app.get(path, dependencies=[Depends(limit) for limit in limits])(endpoint)

    @app.get("/refund")
    @limiter.limit("9/hour")
    async def refund(request: Request) -> int:
        return await limiter.refund_request(request)

    @app.get("/reset")
    @limiter.limit("9/hour")
    async def reset(request: Request) -> int:
        return await limiter.reset_request(request)

    @app.get("/exempt")
    @limiter.exempt
    @limiter.limit("9/hour")
    def exempt() -> int:
        return 1


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def limiter(proxy: Proxy) -> AsyncIterator[RateLimiter]:
    endpoints = [{"path": path, "limits": "7/hour"} for path in ("/early*", "/costs*")]
    # One connection, which is open before the first request.
    async with RateLimiter(
        proxy.url, timeout=30, default="1000/hour", endpoints=endpoints, max_connections=1
    ) as limiter:
        assert await limiter.check("warm", "1/hour")
        yield limiter


def test_each_documented_arrangement_is_measured() -> None:
    assert list(documented()) == list(CASES)


@pytest.mark.parametrize("arrangement", CASES)
async def test_a_request_takes_as_many_round_trips_as_documented(
    arrangement: str, limiter: RateLimiter, proxy: Proxy, server: Server
) -> None:
    app = FastAPI()
    if arrangement not in WITHOUT_MIDDLEWARE:
        limiter.protect(app)
    add_endpoints(app, limiter)
    path, keys = CASES[arrangement]
    before = proxy.round_trips
    response = await fetch(app, path)
    assert proxy.round_trips - before == documented()[arrangement]
    assert response.status_code == (429 if "denied" in arrangement else 200)
    assert len({*server.db().scan_iter()} - {b"ratelog:warm"}) == keys
