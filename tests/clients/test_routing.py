"""The commands in a cluster: each client sends them to the shard of their key."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import ANY

from .drivers import Batch, Command, Driver, Reply

if TYPE_CHECKING:
    from .conftest import Nodes

HOUR = 3_600_000
NUMBERS = range(24)
DENY = ["action", "deny", "rules", [], "ttl_ms", -1]


def keys_of(number: int) -> tuple[str, str]:
    """Two keys in one slot."""
    return f"ratelog:{{{number}}}:a", f"ratelog:{{{number}}}:b"


def explanation(rule: Reply, decision: Reply, decided_by: str, index: int | None, override: Reply) -> Reply:
    """The reply of RL.EXPLAIN for a check of one rule."""
    source = ["decided_by", decided_by, "rule", index, "override", override]
    return ["rules", [rule], "decision", decision, *source]


def keyed_calls(number: int) -> list[tuple[Command, Reply]]:
    """Every command with a key, and its reply."""
    a, b = keys_of(number)
    calls: list[tuple[str, Reply]] = [
        (f"RL.CHECK {a} 5 1h COST 2", [1, 5, 3, 0, HOUR, HOUR]),
        (f"RL.PEEK {a} 5 1h", [1, 5, 3, 0, ANY, HOUR]),
        (f"RL.MCHECK 1 {a} 5 1h {b} POLICY gold", [[1, 5, 2, 0, HOUR, HOUR], [1, 4, 3, 0, HOUR, HOUR]]),
        (f"RL.CHECK {a} POLICY gold COST 2", [0, 4, 1, ANY, ANY, HOUR]),
        (f"RL.REFUND {a}", 1),
        (f"RL.HITS {a}", [[ANY, 2]]),
        (f"RL.OVERRIDE SET {a} DENY", "OK"),
        (
            f"RL.EXPLAIN {a} 5 1h",
            explanation([1, 5, 3, 0, ANY, HOUR], [0, 5, 0, -1, ANY, HOUR], "override", None, DENY),
        ),
        (f"RL.OVERRIDE GET {a}", DENY),
        (f"RL.CHECK {a} 5 1h", [0, 5, 0, -1, ANY, HOUR]),
        (f"RL.OVERRIDE DEL {a}", 1),
        (
            f"RL.INSPECT {a}",
            ["units", 2, "oldest_ms", ANY, "newest_ms", ANY, "retention_ms", HOUR, "bytes", ANY, "override", None],
        ),
        (f"RL.RESET {a}", 2),
        (f"RL.RESET {b}", 1),
    ]
    return [(Command(tuple(call.split()), a), reply) for call, reply in calls]


def to_each(call: str) -> Command:
    """A command without a key, for every primary."""
    return Command(tuple(call.split()), None)


def assert_all_shards_answered(cluster: Nodes, driver: Driver) -> None:
    """Checks that every shard has answered checks, and that the client knew which shard has which key."""
    for stats in cluster.each("RL.STATS"):
        assert stats["checks"] > 0
    if driver.routes:
        assert cluster.redirections() == 0


def test_each_command_reaches_the_shard_of_its_key(driver: Driver, cluster: Nodes) -> None:
    calls = [call for number in NUMBERS for call in keyed_calls(number)]
    (replies,) = driver.run(cluster.target(), [Batch("each", [command for command, _ in calls])])
    for (command, expected), reply in zip(calls, replies, strict=True):
        assert reply == expected, command
    assert_all_shards_answered(cluster, driver)


def test_pipelines_and_transactions_reach_the_shard_of_their_keys(driver: Driver, cluster: Nodes) -> None:
    batches, expected = [], []
    for mode in ("pipeline", "transaction") if driver.has_cluster_transactions else ("pipeline",):
        for number in NUMBERS:
            calls = keyed_calls(number)
            batches.append(Batch(mode, [command for command, _ in calls]))
            expected.append([reply for _, reply in calls])
    assert driver.run(cluster.target(), batches) == expected
    assert_all_shards_answered(cluster, driver)


def test_commands_without_a_key_reach_every_primary(driver: Driver, cluster: Nodes) -> None:
    keys = [keys_of(number)[0] for number in NUMBERS]
    # Several each, because the counts of RL.TOP are halved at the start of a minute.
    checks = [Command(("RL.CHECK", key, "POLICY", "login"), key) for key in keys] * 4
    denial = Command(("RL.OVERRIDE", "SET", keys[0], "DENY"), keys[0])
    policy = ["mode", "enforce", "rules", [[5, HOUR]]]
    policies = '{"policies":[{"name":"login","rules":[{"limit":5,"window":"1h"}]}]}'
    fixed: list[tuple[str, Reply]] = [
        ("RL.POLICY SET login 5 1h", "OK"),
        ("RL.POLICY GET login", policy),
        ("RL.POLICY LIST", ["gold", "login"]),
        # A primary that has received the deletion from another one replies 0.
        ("RL.POLICY DEL gold", ANY),
        ("RL.POLICY EXPORT", policies),
        (f"RL.POLICY IMPORT {policies}", "OK"),
        ("RL.TOP DENIED", []),
    ]
    replies, _, (stats, top, overrides) = driver.run(
        cluster.target(),
        [
            Batch("each", [to_each(call) for call, _ in fixed]),
            Batch("each", [*checks, denial]),
            Batch("each", [to_each("RL.STATS"), to_each("RL.TOP CHECKED COUNT 24"), to_each("RL.OVERRIDE LIST")]),
        ],
    )
    for (call, expected), reply in zip(fixed, replies, strict=True):
        assert reply == [expected] * 3, call
    assert sum(counts[counts.index("checks") + 1] for counts in stats) == len(checks)
    assert sorted(key for ranked in top for key, _ in ranked) == sorted(keys)
    assert [cursor for cursor, _ in overrides] == ["0"] * 3
    listed = [override for _, page in overrides for override in page]
    assert listed == [["key", keys[0], "database", 0, *DENY]]
