"""Policies of the server, and their use while it is unavailable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ratelog import Limits, NoPolicyError

if TYPE_CHECKING:
    from support.types import Open, Start

GOLD = Limits.of_policy("gold")


def set_policy(db: Any, *words: object) -> None:
    db.execute_command("RL.POLICY", "SET", "gold", *words)


async def test_policies_fetched_from_the_server_apply_while_it_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start()
    set_policy(server.db(), 2, "1h", 5, "1d")
    limiter = open_limiter(server.url)
    assert (await limiter.check("k", GOLD)).limit == 2
    server.kill()
    decisions = [await limiter.check("k", GOLD) for _ in range(3)]
    assert [(d.allowed, d.source) for d in decisions] == [(True, "local"), (True, "local"), (False, "local")]


async def test_a_shadow_policy_allows_with_or_without_a_server(start: Start, open_limiter: Open) -> None:
    server = start()
    set_policy(server.db(), "SHADOW", 1, "1h")
    limiter = open_limiter(server.url)
    assert [(await limiter.check("k", GOLD)).allowed for _ in range(3)] == [True] * 3
    server.kill()
    decisions = [await limiter.check("k", GOLD) for _ in range(3)]
    assert [(d.allowed, d.source) for d in decisions] == [(True, "local")] * 3
    # A shadow policy does not affect an enforced limit in the same check.
    for allowed in (True, False):
        both = await limiter.mcheck([("k", GOLD), ("m", "1/hour")])
        assert [d.allowed for d in both] == [True, allowed]


async def test_a_policy_is_fetched_once_per_interval(start: Start, open_limiter: Open) -> None:
    server = start()
    set_policy(server.db(), 1000, "1h")
    limiter = open_limiter(server.url)
    for _ in range(20):
        await limiter.check("k", GOLD)
    stats = server.db().info("commandstats")
    calls = sum(int(stat["calls"]) for name, stat in stats.items() if name.lower().startswith("cmdstat_rl.policy|get"))
    assert calls == 1


async def test_an_unknown_policy_raises(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url)
    with pytest.raises(NoPolicyError, match=r"^no policy named 'gold'$"):
        await limiter.check("k", GOLD)
    with pytest.raises(NoPolicyError):
        await limiter.mcheck([("k", GOLD), ("l", "1/hour")])
    set_policy(server.db(), 2, "1h")
    assert (await limiter.check("k", GOLD)).remaining == 1


async def test_configured_policies_apply_while_the_server_is_unavailable(open_limiter: Open, start: Start) -> None:
    server = start()
    set_policy(server.db(), 9, "1h")
    limiter = open_limiter(server.url, policies={"gold": "1/hour"})
    assert (await limiter.check("k", GOLD)).limit == 9
    server.kill()
    assert [(await limiter.check("k", GOLD)).allowed for _ in range(2)] == [True, False]
    assert [d.allowed for d in await limiter.mcheck([("k", GOLD), ("l", "1/hour")])] == [False, True]
