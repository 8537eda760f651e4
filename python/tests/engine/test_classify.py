"""Errors that mean that the server is unavailable, from real servers."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

import pytest
from redis import CredentialProvider

from ratelog import UnavailableError
from support.broken_servers import GarbageServer
from support.proxy import Proxy
from support.wait import until

if TYPE_CHECKING:
    from support.server import Server
    from support.types import Open, Start


async def test_a_server_that_rejects_the_password_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start()
    admin = server.db()
    admin.config_set("requirepass", "right")
    limiter = open_limiter(server.url.replace("//", "//:wrong@"))
    assert await limiter.source() == "local"
    assert "password" in (limiter.health().last_error or "")
    admin.config_set("requirepass", "wrong")
    await limiter.until_closed()
    assert await limiter.source() == "module"


async def test_a_replica_is_unavailable_until_it_is_promoted(start: Start, open_limiter: Open) -> None:
    primary, replica = start(), start()
    db = replica.db()
    db.replicaof("127.0.0.1", primary.port)
    limiter = open_limiter(replica.url)
    assert await limiter.source() == "local"
    assert "read only" in (limiter.health().last_error or "")
    db.replicaof("NO", "ONE")
    await limiter.until_closed()
    assert await limiter.source() == "module"
    # The reverse: a primary that is demoted while the limiter uses it.
    db.replicaof("127.0.0.1", primary.port)
    with pytest.raises(UnavailableError, match="read only"):
        await limiter.set_override("k", "allow")
    assert await limiter.source() == "local"
    assert limiter.health().state != "closed"


async def test_a_new_primary_is_found_while_connections_to_the_old_one_stay_open(
    start: Start, open_limiter: Open
) -> None:
    # As with a virtual IP address or a proxy.
    primary, replica = start(), start()
    with Proxy(primary.port) as proxy:
        limiter = open_limiter(proxy.url)
        await asyncio.gather(*[limiter.check(f"k:{n}", "9/minute") for n in range(4)])
        proxy.redirect(replica.port, closes=False)
        primary.db().replicaof("127.0.0.1", replica.port)
        assert await limiter.source() == "local"
        await limiter.until_closed()
        for n in range(4):
            assert (await limiter.check("k", "9/minute")).remaining == 8 - n
        assert replica.db().execute_command("RL.PEEK", "k", 9, 60)[2] == 5


async def test_a_server_with_invalid_replies_is_unavailable(open_limiter: Open) -> None:
    with GarbageServer() as garbage:
        limiter = open_limiter(garbage.url, fallback="deny")
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
    await limiter.until_closed()
    assert await limiter.source() == "module"


async def test_a_client_with_few_connections_is_no_failure(server: Server, flavour: str, open_limiter: Open) -> None:
    redis = importlib.import_module("redis.asyncio" if flavour == "async" else "redis")
    client = redis.Redis(host="127.0.0.1", port=server.port, max_connections=2, protocol=2)
    limiter = open_limiter(client=client, max_connections=16)
    for _ in range(5):
        decisions = await asyncio.gather(*[limiter.check(f"k:{n}", "9/minute") for n in range(40)])
        assert {decision.source for decision in decisions} == {"module"}
    assert (limiter.health().opened, limiter.health().last_error) == (0, None)


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
    server.restart()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "local"
    assert "loading" in (limiter.health().last_error or "").lower()
    db = server.db()
    db.config_set("key-load-delay", 0)
    await limiter.until_closed()
    assert await limiter.source() == "module"


async def test_a_server_out_of_memory_is_unavailable(start: Start, open_limiter: Open) -> None:
    server = start()
    limiter = open_limiter(server.url)
    assert await limiter.source() == "module"
    server.db().config_set("maxmemory", 1)
    assert await limiter.source("new") == "local"
    server.db().config_set("maxmemory", 0)

    async def is_remote() -> bool:
        return await limiter.source("new") == "module"

    await until("the server accepts new keys", is_remote)
