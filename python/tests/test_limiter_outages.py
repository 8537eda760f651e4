"""A limiter whose server goes away, in every way that servers do, and comes back."""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from redis import CredentialProvider

from ratelog import Limits, UnavailableError
from support.driver import BRISK
from support.hung import Babbling, Hung
from support.load import Load
from support.server import free_port
from support.wait import TIME_FACTOR, until
from support.wire import Wire

if TYPE_CHECKING:
    from support.driver import Driver
    from support.server import Server
    from support.types import Open, Start

SLACK = 2 * TIME_FACTOR
"""How much longer than its timeout a check may take on a busy machine, in seconds."""


async def until_closed(limiter: Driver) -> None:
    await until("the server is asked again", lambda: limiter.health().state == "closed")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.ratelog["event"] for record in caplog.records if hasattr(record, "ratelog")]


async def test_checks_continue_while_a_server_under_load_restarts(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    server = start()
    limiter = open_limiter(server.url)
    async with Load(limiter, 8) as load:
        await load.goes_on("module")
        for _ in range(3):
            server.kill()
            await load.goes_on("local")
            assert limiter.health().state != "closed"
            server.start_again()
            await load.goes_on("module")
    health = limiter.health()
    assert (health.state, health.opened) == ("closed", 3)
    assert set(load.answered) == {"module", "local"}
    assert load.longest < BRISK["timeout"] + SLACK
    await until("the last return is told", lambda: told(caplog)[-1] == "server_recovered")
    assert told(caplog) == ["server_unavailable", "server_recovered"] * 3


async def test_a_paused_server_delays_no_check_beyond_the_timeout(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url, timeout=0.05, connect_timeout=0.1)
    async with Load(limiter, 4) as load:
        await load.goes_on("module")
        server.pause()
        await until("the server is given up", lambda: limiter.health().state != "closed")
        await load.goes_on("local")
        server.resume()
        await load.goes_on("module")
    assert load.longest < 0.05 + SLACK


async def test_limits_apply_while_the_server_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url)
    assert (await limiter.check("k", "3/hour")).remaining == 2
    server.kill()
    decisions = [await limiter.check("k", "3/hour") for _ in range(5)]
    assert [d.allowed for d in decisions] == [True, True, True, False, False]
    assert {d.source for d in decisions} == {"local"}
    assert await limiter.refund("k") == 1
    assert (await limiter.peek("k", "3/hour")).remaining == 1
    assert await limiter.reset("k") == 2
    assert [d.source for d in await limiter.mcheck([("k", "3/hour"), ("l", "3/hour; 9/day")])] == ["local"] * 2


async def test_instances_share_a_limit_while_the_server_is_unavailable(open_limiter: Open) -> None:
    limiter = open_limiter(f"redis://127.0.0.1:{free_port()}", instances=4)
    decisions = [await limiter.check("k", "10/hour") for _ in range(4)]
    assert [(d.allowed, d.limit) for d in decisions] == [(True, 2), (True, 2), (False, 2), (False, 2)]


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_fallback_decides_without_a_server(open_limiter: Open, allowed: bool) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    limiter = open_limiter(url, fallback="allow" if allowed else "deny", probe_max_interval=0.5)
    for _ in range(3):
        decision = await limiter.check("k", "1/hour")
        assert (decision.allowed, decision.source, decision.limit) == (allowed, "fallback", 1)
        assert decision.retry_after_ms == (0 if allowed else 500)
    assert (await limiter.check("k", Limits.of_policy("gold"))).allowed is allowed
    for change in (limiter.refund, limiter.reset):
        with pytest.raises(UnavailableError, match="the server is unavailable: "):
            await change("k")
    assert limiter.health().serving is allowed


async def test_an_unknown_policy_is_served_and_logged_once_while_the_server_is_unavailable(open_limiter: Open) -> None:
    limiter = open_limiter(f"redis://127.0.0.1:{free_port()}")
    decision = await limiter.check("k", Limits.of_policy("gold"))
    assert (decision.allowed, decision.source) == (True, "fallback")


async def test_a_listener_that_never_replies_delays_no_check(open_limiter: Open) -> None:
    with Hung() as hung:
        limiter = open_limiter(hung.url, timeout=0.05, connect_timeout=0.05)
        assert await limiter.source() == "local"
        assert limiter.health().state != "closed"


async def test_a_server_that_starts_later_is_found(
    start: Start, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ratelog")
    server = start()
    server.kill()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "local"
    server.start_again()
    await until_closed(limiter)
    assert await limiter.source() == "module"
    await until("the return is told", lambda: told(caplog)[-1] == "server_recovered")
    assert told(caplog) == ["server_unavailable", "server_recovered"]


async def test_a_server_that_rejects_the_password_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start()
    admin = server.db()
    admin.config_set("requirepass", "right")
    limiter = open_limiter(server.url.replace("//", "//:wrong@"))
    assert await limiter.source() == "local"
    assert "password" in (limiter.health().last_error or "")
    admin.config_set("requirepass", "wrong")
    await until_closed(limiter)
    assert await limiter.source() == "module"


async def test_a_replica_is_unavailable_until_it_is_promoted(start: Start, open_limiter: Open) -> None:
    primary, replica = start(), start()
    db = replica.db()
    db.replicaof("127.0.0.1", primary.port)
    limiter = open_limiter(replica.url)
    assert await limiter.source() == "local"
    assert "read only" in (limiter.health().last_error or "")
    db.replicaof("NO", "ONE")
    await until_closed(limiter)
    assert await limiter.source() == "module"
    # And the other way: a primary that is demoted under the limiter.
    db.replicaof("127.0.0.1", primary.port)
    with pytest.raises(UnavailableError, match="read only"):
        await limiter.set_override("k", "allow")
    assert await limiter.source() == "local"
    assert limiter.health().state != "closed"


async def test_a_new_primary_is_found_while_connections_to_the_old_one_stay_open(
    start: Start, open_limiter: Open
) -> None:
    # As behind an address that moves, or a proxy.
    primary, replica = start(), start()
    with Wire(primary.port) as wire:
        limiter = open_limiter(wire.url)
        await asyncio.gather(*[limiter.check(f"k:{n}", "9/minute") for n in range(4)])
        wire.lead_to(replica.port, ends=False)
        primary.db().replicaof("127.0.0.1", replica.port)
        assert await limiter.source() == "local"
        await until_closed(limiter)
        for n in range(4):
            assert (await limiter.check("k", "9/minute")).remaining == 8 - n
        assert replica.db().execute_command("RL.PEEK", "k", 9, 60)[2] == 5


async def test_a_server_with_invalid_replies_is_unavailable(open_limiter: Open) -> None:
    with Babbling() as babbling:
        limiter = open_limiter(babbling.url, fallback="deny")
        for _ in range(3):
            assert await limiter.source() == "fallback"
        assert "invalid response" in (limiter.health().last_error or "").lower() or limiter.health().last_error
        await limiter.close()


async def test_a_failing_credential_provider_makes_the_server_unavailable(
    server: Server, flavour: str, open_limiter: Open
) -> None:
    class Vault(CredentialProvider):
        is_open = False

        def get_credentials(self) -> tuple[str, str]:
            if not self.is_open:
                raise RuntimeError("the vault is closed")
            return "default", ""

    vault = Vault()
    redis = importlib.import_module("redis.asyncio" if flavour == "async" else "redis")
    server.db().execute_command("ACL", "SETUSER", "default", "nopass")
    client = redis.Redis(host="127.0.0.1", port=server.port, credential_provider=vault, protocol=2)
    limiter = open_limiter(client=client)
    for _ in range(3):
        assert await limiter.source() == "local"
    assert "the vault is closed" in (limiter.health().last_error or "")
    vault.is_open = True
    await until_closed(limiter)
    assert await limiter.source() == "module"
    await limiter.close()
    await client.aclose() if flavour == "async" else client.close()


async def test_a_client_with_few_connections_is_no_failure(server: Server, flavour: str, open_limiter: Open) -> None:
    redis = importlib.import_module("redis.asyncio" if flavour == "async" else "redis")
    client = redis.Redis(host="127.0.0.1", port=server.port, max_connections=2, protocol=2)
    limiter = open_limiter(client=client, max_connections=16)
    for _ in range(5):
        decisions = await asyncio.gather(*[limiter.check(f"k:{n}", "9/minute") for n in range(40)])
        assert {decision.source for decision in decisions} == {"module"}
    assert (limiter.health().opened, limiter.health().last_error) == (0, None)
    await limiter.close()
    await client.aclose() if flavour == "async" else client.close()


async def test_a_server_that_is_loading_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start(
        "key-load-delay 20000",
        "loading-process-events-interval-bytes 1024",
        "enable-debug-command yes",
        "rdbcompression no",
    )
    db = server.db()
    db.execute_command("DEBUG", "POPULATE", 2000, "fill", 1024)
    db.save()
    server.kill()
    server.start_again()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "local"
    assert "loading" in (limiter.health().last_error or "").lower()
    db = server.db()
    db.config_set("key-load-delay", 0)
    await until_closed(limiter)
    assert await limiter.source() == "module"


async def test_a_server_out_of_memory_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "module"
    server.db().config_set("maxmemory", 1)
    assert await limiter.source("fresh") == "local"
    server.db().config_set("maxmemory", 0)

    async def takes() -> bool:
        return await limiter.source("fresh") == "module"

    await until("the server takes keys again", takes)


async def test_close_stops_probes(start: Start, open_limiter: Open) -> None:
    server = start()
    server.kill()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "local"
    await limiter.close()
    server.start_again()
    db: Any = server.db()
    asked = int(db.info("stats")["total_connections_received"])
    began = int(db.time()[0])
    # Longer than the longest interval between two probes, by the server's clock.
    await until("a probe would have come", lambda: int(db.time()[0]) - began >= 2)
    assert int(db.info("stats")["total_connections_received"]) == asked


async def test_close_under_load_reports_no_outage(
    server: Server, open_limiter: Open, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = open_limiter(server.url, deny_cache=100)
    async with Load(limiter, 8) as load:
        for _ in range(20):
            await load.goes_on("module")
            await limiter.close()
        await load.goes_on("module")
    await limiter.close()
    assert told(caplog) == []
    assert limiter.health().opened == 0
    # Its own among them.
    db = server.db()
    names = ("ratelog", "ratelog-invalidation")
    await until("no connection is left", lambda: not [c for c in db.client_list() if c["name"] in names])


async def test_an_override_raises_while_the_server_is_unavailable(start: Start, open_limiter: Open) -> None:
    server: Server = start()
    limiter = open_limiter(server.url)
    await limiter.start()
    server.kill()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the server is unavailable"):
            await limiter.set_override("k", "allow")
