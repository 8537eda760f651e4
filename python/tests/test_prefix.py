"""The prefix of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from ratelog import RateLimiter
from support.asgi import recording_limiter, statuses

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open


@pytest.mark.parametrize(
    ("options", "title", "expected"),
    [
        ({}, "FastAPI", "ratelog"),
        ({}, "Shop API (v2)", "ratelog:shop-api-v2"),
        ({}, "!!!", "ratelog"),
        ({"prefix": "shop"}, "Other", "shop"),
        ({"prefix": ""}, "Other", ""),
    ],
)
async def test_keys_of_requests_and_checks_have_the_same_prefix(
    options: dict[str, str], title: str, expected: str
) -> None:
    limiter, keys = recording_limiter(default="9/minute", **options)
    app = FastAPI(title=title)
    limiter.protect(app)
    await statuses(app, "/")
    await limiter.check("user:42", "9/minute")
    await limiter.mcheck([(b"user:43", "9/minute")])
    start = f"{expected}:" if expected else ""
    assert keys == [f"{start}{{ip:192.0.2.1}}:*", f"{start}user:42", f"{start}user:43"]
    assert limiter.prefix == expected


async def test_the_first_title_counts() -> None:
    limiter = RateLimiter("memory://")
    for app in (Starlette(), FastAPI(title="One"), FastAPI(title="Two")):
        limiter.protect(app)
    assert limiter.prefix == "ratelog:one"


async def test_every_operation_uses_the_prefix(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, prefix="shop")
    await limiter.check("k", "9/minute", cost=3)
    assert server.units("shop:k") == 3
    assert (await limiter.peek("k", "9/minute")).remaining == 6
    assert await limiter.refund("k") == 1
    await limiter.set_override("k", "deny")
    assert (await limiter.get_override("k")).action == "deny"
    assert not await limiter.check("k", "9/minute")
    assert await limiter.del_override("k")
    assert await limiter.reset("k") == 2
    assert server.db().dbsize() == 0
