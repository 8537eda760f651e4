"""Overrides of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from ratelog import Limits, NeedsModuleError, Override
from ratelog.engine.overrides import ListedOverride, parse_map, parse_override, parse_override_page

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open


async def test_an_override_decides_until_it_is_deleted(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    assert await limiter.get_override("k") is None
    await limiter.set_override("k", "deny")
    assert not await limiter.check("k", "9/minute")
    assert await limiter.get_override("k") == Override("deny")
    await limiter.set_override("k", "limit", "20/second; 30/minute")
    assert (await limiter.check("k", "9/minute")).limit == 20
    assert await limiter.get_override("k") == Override("limit", Limits("20/second; 30/minute"))
    await limiter.set_override("k", "allow", ttl=60)
    held = await limiter.get_override("k")
    assert held.action == "allow"
    assert 0 < held.ttl_ms <= 60_000
    assert await limiter.del_override("k") is True
    assert await limiter.del_override("k") is False
    assert (await limiter.check("k", "9/minute")).limit == 9


async def test_a_key_of_another_type_rejects_an_override(server: Server, open_limiter: Open) -> None:
    server.db().set("text", "value")
    limiter = open_limiter(server.url)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await limiter.set_override("text", "deny")
    assert limiter.health().state == "closed"


@pytest.mark.parametrize(
    ("override", "text"),
    [
        (("ban", None, None), "an override's action is 'allow', 'deny' or 'limit', not 'ban'"),
        (("limit", None, None), "an override 'limit' takes limits"),
        (("deny", "1/minute", None), "an override 'deny' takes no limits"),
        (("limit", Limits.of_policy("gold"), None), "an override takes rules, not a policy"),
        (("deny", None, 0.0001), "an override's ttl is a number of seconds, at least 0.001, not 0.0001"),
        (("deny", None, float("nan")), "an override's ttl is a number of seconds, at least 0.001, not nan"),
        (("deny", None, float("inf")), "an override's ttl is a number of seconds, at least 0.001, not inf"),
    ],
)
async def test_an_invalid_override_is_rejected(
    open_limiter: Open, override: tuple[str, Limits | None, float | None], text: str
) -> None:
    action, limits, ttl = override
    with pytest.raises(ValueError) as raised:
        await open_limiter("memory://").set_override("k", action, limits, ttl=ttl)
    assert str(raised.value) == text


async def test_a_limiter_without_a_server_has_no_overrides(open_limiter: Open) -> None:
    with pytest.raises(NeedsModuleError):
        await open_limiter("memory://").get_override("k")


def test_replies_of_both_protocols_are_parsed() -> None:
    flat = [b"action", b"limit", b"rules", [[5, 1000]], b"ttl_ms", -1]
    assert parse_override(flat) == parse_override(parse_map(flat)) == Override("limit", Limits("5/second"))


@pytest.mark.parametrize("reply", [5, [b"action", b"ban", b"rules", [], b"ttl_ms", -1]])
def test_an_invalid_reply_raises(reply: object) -> None:
    with pytest.raises(ResponseError):
        parse_override(reply)


def test_a_page_is_parsed_from_both_protocols() -> None:
    flat = [b"key", b"\xff", b"database", 3, b"action", b"deny", b"rules", [], b"ttl_ms", 9]
    expected = ("2", [ListedOverride("deny", None, 9, b"\xff", 3)])
    assert parse_override_page([b"2", [flat]]) == parse_override_page(["2", [parse_map(flat)]]) == expected
    assert parse_override_page([b"0", []]) == ("0", [])
