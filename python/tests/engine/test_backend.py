"""The commands of the backend: the module's, the script's, and the queries of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from ratelog import Limits, NeedsModuleError, NoPolicyError
from ratelog._core import SCRIPT_SUFFIX
from support.proxy import Proxy
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open, Start

GOLD = Limits.of_policy("gold")


def set_policy(db: Any, *words: object) -> None:
    db.execute_command("RL.POLICY", "SET", "gold", *words)


async def test_a_server_without_the_module_is_detected_at_start(plain_server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(plain_server.url)
    await limiter.start()
    assert limiter.health().backend == "script"
    decisions = [await limiter.check("k", "3/minute; 100/hour", 2) for _ in range(2)]
    assert [(d.allowed, d.remaining, d.source) for d in decisions] == [(True, 1, "script"), (False, 1, "script")]
    assert (await limiter.peek("k", "3/minute")).remaining == 1
    assert await limiter.refund("k") == 1
    assert await limiter.reset("k") == 1
    assert plain_server.db().keys("*") == []


async def test_several_keys_are_one_script_call(plain_server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(plain_server.url)
    await limiter.check("b", "1/minute; 5/hour")
    decisions = await limiter.mcheck([("a", "5/minute"), ("b", "1/minute; 5/hour")])
    assert [(d.allowed, d.remaining) for d in decisions] == [(True, 5), (False, 0)]
    assert plain_server.db().keys("*") == [b"b" + SCRIPT_SUFFIX.encode()]


async def test_a_flushed_script_is_loaded_again(plain_server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(plain_server.url)
    for left in (8, 7):
        assert (await limiter.check("k", "9/minute")).remaining == left
        plain_server.db().script_flush()
    assert (await limiter.mcheck([("k", "9/minute"), ("l", "9/minute")]))[0].remaining == 6


async def test_a_server_that_rejects_scripts_raises(start: Start, open_limiter: Open) -> None:
    server = start(module=False)
    server.db().execute_command("ACL", "SETUSER", "default", "-script")
    limiter = open_limiter(server.url)
    with pytest.raises(ResponseError, match="no permissions"):
        await limiter.check("k", "9/minute")


async def test_features_of_the_module_raise_without_it(plain_server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(plain_server.url)
    await limiter.start()
    needs = r"^an override needs the Ratelog module, which this server does not have$"
    for operation in (limiter.get_override, limiter.del_override):
        with pytest.raises(NeedsModuleError, match=needs):
            await operation("k")
    with pytest.raises(NeedsModuleError, match=needs):
        await limiter.set_override("k", "allow")
    forced = open_limiter(plain_server.url, backend="module")
    with pytest.raises(NeedsModuleError, match=needs):
        await forced.get_override("k")
    with pytest.raises(NeedsModuleError, match=r"^the setting backend='module' needs the Ratelog module"):
        await forced.check("k", "9/minute")


async def test_the_script_uses_configured_policies(plain_server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(plain_server.url, policies={"gold": "2/minute"})
    assert [(await limiter.check("k", GOLD)).allowed for _ in range(3)] == [True, True, False]
    with pytest.raises(NoPolicyError, match=r"^no policy named 'lead' is known in this process$"):
        await limiter.check("k", Limits.of_policy("lead"))


async def test_the_script_can_be_forced(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, backend="script")
    assert await limiter.source() == "script"
    assert server.db().info("commandstats").keys().isdisjoint({"cmdstat_rl.check"})


async def test_a_failover_to_a_server_without_the_module_is_detected_by_the_next_check(
    server: Server, plain_server: Server, open_limiter: Open
) -> None:
    with Proxy(server.port) as proxy:
        limiter = open_limiter(proxy.url, fallback="deny")
        assert await limiter.source() == "module"
        proxy.redirect(plain_server.port)

        async def answers() -> bool:
            return await limiter.source() == "script"

        await until("the script decides", answers)


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
