"""Clients that an application passes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel

from ratelog import ConfigError, RateLimiter, SyncRateLimiter
from ratelog.connection.client import check_client, user_of
from support.cluster import Cluster
from support.driver import FAST

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.types import Open, Start

SENTINEL: Any = Sentinel
ASYNC_SENTINEL: Any = AsyncSentinel
SENTINELS = [("127.0.0.1", 1)]

# No client connects when it is created, except a blocking one of a cluster.
ASYNC: dict[str, Callable[[], Any]] = {
    "redis.asyncio.client.Redis": redis.asyncio.Redis,
    "redis.asyncio.cluster.RedisCluster": lambda: redis.asyncio.RedisCluster("127.0.0.1"),
    "redis.asyncio.client.Redis, of Sentinels": lambda: ASYNC_SENTINEL(SENTINELS).master_for("main"),
    "valkey.asyncio.client.Valkey": lambda: importlib.import_module("valkey.asyncio").Valkey(),
    "valkey.asyncio.cluster.ValkeyCluster": lambda: importlib.import_module("valkey.asyncio").ValkeyCluster("h"),
}
SYNC: dict[str, Callable[[], Any]] = {
    "redis.client.Redis": redis.Redis,
    "redis.client.Redis, of Sentinels": lambda: SENTINEL(SENTINELS).master_for("main"),
    "valkey.client.Valkey": lambda: importlib.import_module("valkey").Valkey(),
}


@pytest.mark.parametrize("name", SYNC)
def test_an_asynchronous_limiter_rejects_a_blocking_client(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        RateLimiter(client=SYNC[name]())
    assert str(raised.value) == (
        "client: RateLimiter needs an asyncio client such as redis.asyncio.Redis, "
        f"not {name.partition(',')[0]}; for this client use SyncRateLimiter"
    )


@pytest.mark.parametrize("name", ASYNC)
def test_a_blocking_limiter_rejects_an_asynchronous_client(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SyncRateLimiter(client=ASYNC[name]())
    assert str(raised.value) == (
        "client: SyncRateLimiter needs a blocking client such as redis.Redis, "
        f"not {name.partition(',')[0]}; for this client use RateLimiter"
    )


def test_clients_of_the_right_kind_are_accepted() -> None:
    for create in ASYNC.values():
        RateLimiter(client=create())
    for create in SYNC.values():
        SyncRateLimiter(client=create())


@pytest.mark.parametrize("module", ["redis", "valkey"])
async def test_a_cluster_client_is_used_by_the_limiter_of_its_kind(
    start: Start, flavour: str, open_limiter: Open, module: str
) -> None:
    cluster = Cluster(start)
    name = "RedisCluster" if module == "redis" else "ValkeyCluster"
    port = cluster.nodes[0].port
    blocking = getattr(importlib.import_module(module), name)(host="127.0.0.1", port=port)
    asynchronous = getattr(importlib.import_module(f"{module}.asyncio"), name)("127.0.0.1", port)
    with pytest.raises(ConfigError, match="for this client use SyncRateLimiter"):
        RateLimiter(client=blocking)
    limiter = open_limiter(client=asynchronous if flavour == "async" else blocking)
    assert await limiter.source() == "module"
    await limiter.close()
    await asynchronous.aclose()
    blocking.close()


@pytest.mark.parametrize("limiter", [RateLimiter, SyncRateLimiter])
@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("redis://h", "not builtins.str"),
        (redis.ConnectionPool(), "not redis.connection.ConnectionPool"),
        (SENTINEL(SENTINELS), "not redis.sentinel.Sentinel; pass what its method master_for returns"),
    ],
)
def test_an_object_that_is_no_client_is_rejected(limiter: Any, client: Any, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        limiter(client=client, **FAST)
    assert str(raised.value) == f"client: expected a client such as redis.asyncio.Redis or redis.Redis, {text}"


def test_a_subclass_of_a_client_is_a_client() -> None:
    class Traced(redis.asyncio.Redis):
        pass

    check_client(Traced(), is_async=True)


@pytest.mark.parametrize(
    ("options", "user"),
    [
        ({}, "user 'default'"),
        ({"password": "s3cret"}, "user 'default'"),
        ({"username": "me", "password": "s3cret"}, "user 'me'"),
        ({"username": "s3cret"}, "the user without a password"),
        ({"credential_provider": redis.UsernamePasswordCredentialProvider("a", "b")}, "the credential provider"),
    ],
)
def test_the_user_of_a_client_is_named(options: dict[str, Any], user: str) -> None:
    for module in (redis, redis.asyncio):
        assert user_of(module.Redis(**options)) == user
    assert user_of(redis.asyncio.RedisCluster("127.0.0.1", **options)) == user
