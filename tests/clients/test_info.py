"""`INFO rl` through the clients' parsers. ioredis and node-redis return its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
import valkey

if TYPE_CHECKING:
    from .conftest import Nodes

# The names of policies that are most alike, and those that look like a value.
NAMES = ["a:b", "a_b", "a/b", "a3Ab", "a::b", "a:", "a_", ":", "_", "policies", "checks:1", "1.5", "-1"]


@pytest.mark.parametrize("library", [redis.Redis, valkey.Valkey], ids=["redis-py", "valkey-py"])
def test_each_policy_has_its_own_field(library: Any, nodes: Nodes) -> None:
    nodes.each("RL.POLICY", "DEL", "gold")
    for number, name in enumerate(NAMES, 1):
        nodes.each("RL.POLICY", "SET", name, str(number), "1h")
    for port in nodes.target().ports:
        with library(port=port) as client:
            info = client.info("rl")
        prefix = "rl_policy_"
        fields = {name.removeprefix(prefix): value for name, value in info.items() if name.startswith(prefix)}
        assert sorted(name.replace("%3A", ":") for name in fields) == sorted(NAMES)
        for value in fields.values():
            assert value["checks"] == 0
        others = {name for name in info if not name.startswith(prefix)}
        assert all(name.startswith("rl_") for name in others)
        assert info["rl_policies"] == len(NAMES)
