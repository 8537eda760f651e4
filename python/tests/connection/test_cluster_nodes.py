"""The nodes of a cluster, and a client for each."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio

from ratelog.connection.cluster_nodes import ClusterNodes
from ratelog.connection.target import ClientModule, Target
from ratelog.settings import load

MODULES: list[ClientModule] = ["redis", "redis.asyncio"]


def options_of_node(nodes: ClusterNodes, module: ClientModule) -> dict[str, Any]:
    options: dict[str, Any] = nodes.client(module, "192.0.2.7:7", load()).connection_pool.connection_kwargs
    return options


@pytest.mark.parametrize("module", MODULES)
def test_the_nodes_of_a_url_have_its_options(module: ClientModule) -> None:
    nodes = ClusterNodes.of_target(Target.parse("redis+cluster://me:s3cret@192.0.2.1,192.0.2.2:7?socket_timeout=3"))
    assert nodes.seeds == ("192.0.2.1:6379", "192.0.2.2:7")
    options = options_of_node(nodes, module)
    assert (options["host"], options["port"], options["username"]) == ("192.0.2.7", 7, "me")
    assert (options["socket_timeout"], options["protocol"]) == (3, 2)


@pytest.mark.parametrize("module", MODULES)
def test_the_nodes_of_a_url_use_tls(module: ClientModule) -> None:
    nodes = ClusterNodes.of_target(Target.parse("rediss+cluster://h?ssl_cert_reqs=none"))
    pool = nodes.client(module, "2001:db8::1:7", load()).connection_pool
    assert "SSL" in pool.connection_class.__name__
    assert pool.connection_kwargs["host"] == "2001:db8::1"


@pytest.mark.parametrize("module", MODULES)
def test_the_nodes_of_a_client_have_its_credentials_and_none_of_its_timeouts(module: ClientModule) -> None:
    client = redis.asyncio.RedisCluster(
        "192.0.2.1",
        7,
        username="me",
        password="s3cret",
        ssl=True,
        ssl_cert_reqs="none",
        socket_timeout=99,
        decode_responses=True,
        address_remap=lambda address: ("192.0.2.99", address[1] + 1),
    )
    # A client that reads from replicas calls it for each connection.
    client.connection_kwargs["redis_connect_func"] = print
    nodes = ClusterNodes.of_client(client)
    assert nodes.seeds == ("192.0.2.1:7",)
    node = nodes.client(module, "192.0.2.7:7", load(timeout=0.5))
    options = node.connection_pool.connection_kwargs
    assert (options["host"], options["port"]) == ("192.0.2.99", 8)
    assert (options["username"], options["password"]) == ("me", "s3cret")
    assert options["socket_timeout"] == (0.5 if module == "redis" else None)
    assert not options.get("decode_responses")
    assert options.get("redis_connect_func") is None
    assert "SSL" in node.connection_pool.connection_class.__name__
