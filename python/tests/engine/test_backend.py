"""Servers without the module run the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from ratelog import Limits, NeedsModuleError, NoPolicyError
from ratelog._core import SCRIPT_SUFFIX
from support.proxy import Proxy
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open, Start


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
    with pytest.raises(ResponseError, match="unknown command"):
        await forced.check("k", "9/minute")


async def test_the_script_uses_configured_policies(plain_server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(plain_server.url, policies={"gold": "2/minute"})
    gold = Limits.of_policy("gold")
    assert [(await limiter.check("k", gold)).allowed for _ in range(3)] == [True, True, False]
    with pytest.raises(NoPolicyError, match=r"^no policy named 'lead' is known in this process$"):
        await limiter.check("k", Limits.of_policy("lead"))


async def test_the_script_can_be_forced(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url, backend="script")
    assert await limiter.source() == "script"
    assert server.db().info("commandstats").keys().isdisjoint({"cmdstat_RL.CHECK"})


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
