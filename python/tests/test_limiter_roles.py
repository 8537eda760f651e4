"""The limiters as users of `redis.conf.example`, whose rights are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ratelog import Limits, RateLimiter
from support.apps import app_of
from support.asgi import fetch, remaining
from support.cluster import Cluster
from support.driver import FAST
from support.roles import USERS, password_of
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open, Start

# The users may access the keys with this prefix only.
OPTIONS = {**FAST, "prefix": "ratelog"}
GOLD = Limits.of_policy("gold")


def servers_with_users(start: Start, kind: str) -> list[Server]:
    def create(*lines: str, module: bool = True, sentinel: bool = False) -> Server:
        return start(*lines, *USERS.values(), module=module, sentinel=sentinel)

    servers = [create()] if kind == "single" else Cluster(create).nodes
    for server in servers:
        server.db().execute_command("RL.POLICY", "SET", "gold", 2, "1h")
    return servers


def url_for(user: str, servers: list[Server]) -> str:
    scheme = "redis" if len(servers) == 1 else "redis+cluster"
    return f"{scheme}://{user}:{password_of(user)}@127.0.0.1:{servers[0].port}/0"


def assert_nothing_was_rejected(servers: list[Server]) -> None:
    assert [entry for server in servers for entry in server.db().acl_log()] == []


@pytest.mark.parametrize("kind", ["single", "cluster"])
async def test_the_rights_of_an_application_are_enough(kind: str, start: Start, open_limiter: Open) -> None:
    servers = servers_with_users(start, kind)
    limiter = open_limiter(url_for("application", servers), deny_cache=100)
    for number in range(12):
        a, b = f"ratelog:{{{number}}}:a", f"ratelog:{{{number}}}:b"
        assert (await limiter.check(a, "5/hour", 2)).source == "module"
        assert (await limiter.peek(a, "5/hour")).remaining == 3
        assert [decision.remaining for decision in await limiter.mcheck([(a, "5/hour"), (b, GOLD)])] == [2, 1]
        assert not (await limiter.check(b, GOLD, 2)).allowed
        assert await limiter.refund(a) == 1
        assert await limiter.reset(a) == 2
    # It has fetched the policy, and uses it while the servers are unavailable.
    commands = "cmdstat_rl.policy|get"
    await until(
        "the policy is fetched", lambda: any(commands in str(server.db().info("commandstats")) for server in servers)
    )
    assert_nothing_was_rejected(servers)
    for server in servers:
        server.kill()

    async def is_local() -> bool:
        return bool((await limiter.check("ratelog:c", GOLD)).source == "local")

    await until("the fallback decides", is_local)
    await limiter.check("ratelog:c", GOLD)
    assert not (await limiter.check("ratelog:c", GOLD)).allowed


async def test_an_application_may_track_cached_denials(start: Start) -> None:
    servers = servers_with_users(start, "single")
    async with RateLimiter(url_for("application", servers), deny_cache=100, **OPTIONS) as limiter:
        await limiter.start()
        await until("tracking is enabled", lambda: limiter.health().tracking)

        async def is_cached() -> bool:
            return (await limiter.check("ratelog:k", "1/hour")).source == "deny-cache"

        await until("the denial is cached", is_cached)
        assert await limiter.reset("ratelog:k") == 1
        assert await limiter.check("ratelog:k", "1/hour")
    assert_nothing_was_rejected(servers)


@pytest.mark.parametrize("kind", ["single", "cluster"])
async def test_an_application_may_access_the_keys_of_requests(kind: str, start: Start) -> None:
    servers = servers_with_users(start, kind)
    async with RateLimiter(url_for("application", servers), default="5/hour", **OPTIONS) as limiter:
        app = app_of(limiter, middleware=True)
        for number in range(12):
            assert remaining(await fetch(app, "/", ip=f"192.0.2.{number}")) == {"5/hour": 4}
    keys = [key for server in servers for key in server.db().scan_iter()]
    assert len(keys) == 12
    assert all(key.startswith(b"ratelog:{ip:192.0.2.") for key in keys)
    assert_nothing_was_rejected(servers)


@pytest.mark.parametrize("kind", ["single", "cluster"])
async def test_an_operator_may_set_overrides(kind: str, start: Start, open_limiter: Open) -> None:
    servers = servers_with_users(start, kind)
    limiter = open_limiter(url_for("operator", servers))
    for number in range(12):
        key = f"ratelog:{{{number}}}:a"
        await limiter.set_override(key, "deny", ttl=60)
        assert (await limiter.get_override(key)).action == "deny"
        assert not (await limiter.check(key, "5/hour")).allowed
        assert await limiter.del_override(key)
    assert_nothing_was_rejected(servers)
