"""The operations of a limiter, on a server with the module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from ratelog import Decision, Limits, NoPolicyError

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open


async def test_a_check_records_and_a_peek_does_not(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    first = await limiter.check("user:42", "2/minute")
    assert first == Decision(True, 2, 1, 0, first.reset_after_ms, 60_000, "module")
    assert 0 < first.reset_after_ms <= 60_000
    assert (await limiter.peek("user:42", "2/minute")).remaining == 1
    assert (await limiter.check("user:42", "2/minute")).remaining == 0
    denied = await limiter.check("user:42", "2/minute")
    assert not denied
    assert 0 < denied.retry_after_ms <= 60_000
    assert not await limiter.peek("user:42", "2/minute")


@pytest.mark.parametrize("backend", ["module", "script"])
async def test_every_decision_has_its_key(server: Server, open_limiter: Open, backend: str) -> None:
    limiter = open_limiter(server.url, backend=backend)
    for operation in (limiter.check, limiter.peek):
        assert (await operation("user:42", "2/minute")).key == b"user:42"
    together = [("a", "5/minute"), ("b", "5/minute")]
    separately = [("a", "5/minute; 9/hour"), ("b", "0/minute")]
    for pairs in (together, separately):
        assert [decision.key for decision in await limiter.mcheck(pairs)] == [b"a", b"b"]


async def test_a_cost_is_recorded_and_refunded(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    assert (await limiter.check("k", "10/minute; 1000/hour", cost=7)).remaining == 3
    assert not await limiter.check("k", "10/minute", cost=4)
    assert not await limiter.peek("k", "10/minute", cost=4)
    assert (await limiter.check("k", "10/minute", cost=11)).retry_after_ms is None
    assert await limiter.refund("k", cost=5) == 5
    assert (await limiter.peek("k", "10/minute")).remaining == 8
    assert await limiter.refund("k", cost=100) == 2
    assert await limiter.refund("k") == 0


async def test_a_reset_key_has_no_units(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    await limiter.check("k", "3/minute", cost=3)
    assert await limiter.reset("k") == 3
    assert await limiter.reset("k") == 0
    assert (await limiter.check("k", "3/minute")).remaining == 2


async def test_several_keys_are_one_command_and_all_or_none(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    await limiter.start()
    await limiter.check("b", "1/minute")
    decisions = await limiter.mcheck([("a", "5/minute"), ("b", "1/minute"), ("c", "2/hour")], cost=1)
    assert [decision.allowed for decision in decisions] == [True, False, True]
    assert [decision.remaining for decision in decisions] == [5, 0, 2]
    decisions = await limiter.mcheck([("a", "5/minute"), ("c", "2/hour")], cost=2)
    assert [decision.remaining for decision in decisions] == [3, 0]
    stats = server.db().info("commandstats")
    assert stats["cmdstat_rl.mcheck"]["calls"] == 2


async def test_keys_with_several_rules_are_all_or_none(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    both = [("a", "5/minute; 50/hour"), ("b", "1/minute; 10/hour")]
    assert [d.remaining for d in await limiter.mcheck(both)] == [4, 0]
    assert [d.allowed for d in await limiter.mcheck(both)] == [True, False]
    assert (await limiter.peek("a", "5/minute")).remaining == 4


async def test_an_error_of_one_key_refunds_the_others(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    server.db().set("text", "value")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await limiter.mcheck([("a", "5/minute; 50/hour"), ("text", "5/minute; 50/hour")])
    assert (await limiter.peek("a", "5/minute")).remaining == 5


async def test_a_rejected_command_raises_and_does_not_open_the_breaker(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, failure_threshold=1)
    server.db().set("text", "value")
    for _ in range(3):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await limiter.check("text", "5/minute")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await limiter.refund("text")
        with pytest.raises(ResponseError, match="limit '1000001'"):
            await limiter.mcheck([("a", "1000001/minute"), ("b", "1/minute")])
        with pytest.raises(NoPolicyError, match=r"^no policy named 'gold'$"):
            await limiter.check("k", Limits.of_policy("gold"))
    assert (limiter.health().state, limiter.health().opened) == ("closed", 0)


async def test_a_limiter_without_a_server_decides_locally(open_limiter: Open) -> None:
    limiter = open_limiter("memory://")
    decision = await limiter.check("k", "2/minute")
    assert (decision.remaining, decision.source) == (1, "local")
    assert (await limiter.peek("k", "2/minute")).remaining == 1
    assert await limiter.refund("k") == 1
    assert [d.remaining for d in await limiter.mcheck([("k", "2/minute"), ("l", "9/minute")], 2)] == [0, 7]
    assert await limiter.reset("k") == 2
    health = limiter.health()
    assert (health.state, health.backend, health.local_keys) == ("closed", "local", 1)
    await limiter.start()


async def test_a_closed_limiter_can_be_used_again(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    assert (await limiter.check("k", "9/minute")).remaining == 8
    await limiter.close()
    assert (await limiter.check("k", "9/minute")).remaining == 7
    assert await limiter.source() == "module"


async def test_a_unix_socket_and_a_password_are_read_from_the_url(server: Server, open_limiter: Open) -> None:
    server.db().execute_command("ACL", "SETUSER", "api", "on", ">p@ss", "~*", "+@all")
    limiter = open_limiter(f"unix://api:p%40ss@{server.socket}?db=3")
    assert await limiter.source() == "module"
    assert server.db(db=3).exists("k")


async def test_a_disabled_limiter_allows_everything_and_records_nothing(server: Server, open_limiter: Open) -> None:
    for url in (server.url, "memory://"):
        limiter = open_limiter(url, enabled=False)
        for _ in range(3):
            decision = await limiter.check("k", "1/minute")
            assert (decision.allowed, decision.source) == (True, "fallback")
    assert server.db().dbsize() == 0


async def test_attributes_that_do_not_exist_cannot_be_set(open_limiter: Open) -> None:
    limiter = open_limiter("memory://").limiter
    with pytest.raises(
        AttributeError, match=r"^enabled is a setting: pass \w+\(enabled=...\), or set RATELOG_ENABLED and"
    ):
        limiter.enabled = False
    with pytest.raises(AttributeError, match=r"^\w+ has no attribute 'limits'$"):
        limiter.limits = []
