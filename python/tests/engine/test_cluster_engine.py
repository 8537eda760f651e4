"""The engine of a cluster with given replies."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ResponseError

from ratelog import Check, Limits, NoPolicyError, UnavailableError
from ratelog.engine.node_command import ALL_PRIMARIES, ONE_PRIMARY, NodeCommand, NodeFailure
from ratelog.events import ServerRecovered, ServerUnavailable
from support.fake_cluster import ALLOWED, DENIED, OF_A, OF_B, SLOTS, FakeCluster

RULES = Limits("9/minute")
BOTH = [Check(OF_A, RULES), Check(OF_B, RULES)]
GONE = NodeFailure(Lost("gone"))
ALL = NodeCommand("RL.STATS", nodes=ALL_PRIMARIES)
ONE = NodeCommand("RL.POLICY", "LIST", nodes=ONE_PRIMARY)


def check(cluster: FakeCluster, *checks: Check, record: bool = True) -> list[tuple[str, bool, int] | None]:
    decisions = cluster.run(cluster.engine.check(checks or BOTH, record=record))
    return [None if one is None else (one.source, one.allowed, one.remaining) for one in decisions]


def test_checks_of_several_shards_are_sent_at_once() -> None:
    cluster = FakeCluster()
    assert check(cluster) == [("module", True, 8)] * 2
    assert (cluster.names(), cluster.rounds) == (["a:1 RL.CHECK", "b:2 RL.CHECK"], [2])


def test_a_denial_takes_back_what_other_shards_recorded() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert check(cluster) == [("module", True, 9), ("module", False, 0)]
    assert cluster.names()[2:] == ["a:1 RL.REFUND"]
    cluster.reply("b:2", "RL.PEEK", DENIED)
    assert check(cluster, record=False) == [("module", True, 8), ("module", False, 0)]
    assert cluster.names()[3:] == ["a:1 RL.PEEK", "b:2 RL.PEEK"]


def test_the_same_check_twice_is_recorded_and_taken_back_twice() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert check(cluster, BOTH[0], BOTH[1], BOTH[0]) == [
        ("module", True, 9),
        ("module", False, 0),
        ("module", True, 9),
    ]
    assert cluster.names().count("a:1 RL.REFUND") == 2


def test_an_error_of_one_shard_is_raised_after_the_others_are_taken_back() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", ResponseError("NOPOLICY no policy named 'gold'"))
    with pytest.raises(NoPolicyError):
        check(cluster)
    assert cluster.names()[2:] == ["a:1 RL.REFUND"]
    cluster.reply("b:2", "RL.PEEK", ResponseError("WRONGTYPE"))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        check(cluster, record=False)
    assert cluster.names()[3:] == ["a:1 RL.PEEK", "b:2 RL.PEEK"]


def test_checks_that_recorded_nothing_are_not_taken_back() -> None:
    cluster = FakeCluster(fallback="allow")
    cluster.use_script()
    cluster.engine.policies.insert("gold", [(9, 60_000)], True)
    shadow, excessive = Check(OF_A, Limits.of_policy("gold")), Check(OF_A, RULES, 2_000_000)
    for first in (shadow, excessive):
        cluster.sent.clear()
        cluster.reply("a:1", "EVALSHA", DENIED if first is shadow else ALLOWED)
        cluster.reply("b:2", "EVALSHA", DENIED)
        check(cluster, first, BOTH[1])
        assert cluster.names() == ["a:1 EVALSHA", "b:2 EVALSHA"]
    # The fixed fallback records nothing, either.
    cluster.sent.clear()
    cluster.reply("a:1", "EVALSHA", GONE)
    cluster.reply("b:2", "EVALSHA", DENIED)
    assert check(cluster) == [("fallback", True, 8), ("script", False, 0)]
    assert cluster.names() == ["a:1 EVALSHA", "b:2 EVALSHA"]


def test_the_fallback_decides_the_checks_of_a_lost_shard_only() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", GONE)
    assert check(cluster) == [("local", True, 8), ("module", True, 8)]
    cluster.sent.clear()
    assert check(cluster) == [("local", True, 7), ("module", True, 8)]
    assert cluster.names() == ["b:2 RL.CHECK"]
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert check(cluster) == [("local", True, 7), ("module", False, 0)]
    assert check(cluster)[0] == ("local", True, 6)


def test_a_cached_denial_decides_for_all_shards() -> None:
    cluster = FakeCluster(deny_cache=9)
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert check(cluster, BOTH[1]) == [("module", False, 0)]
    cluster.sent.clear()
    assert check(cluster) == [None, ("deny-cache", False, 0)]
    assert cluster.sent == []
    assert check(cluster, BOTH[0], Check(b"foo2", RULES))[0] == ("module", True, 8)


def test_denials_are_cached_by_the_shard_that_tracks_the_key() -> None:
    cluster = FakeCluster(deny_cache=9)
    cached: list[tuple[str, bytes]] = []

    def cache(shard: object, check: Check) -> bool:
        cached.append((getattr(shard, "address", ""), check.key))
        return True

    cluster.engine.cache_denial_of_shard = cache
    cluster.reply("b:2", "RL.CHECK", DENIED)
    check(cluster)
    assert cached == [("b:2", OF_B)]
    cluster.engine.is_shard_tracking = lambda shard: shard.address == "b:2"
    health = cluster.engine.health()
    assert ([shard.tracking for shard in health.shards], health.tracking) == ([False, True], False)


def test_a_disabled_limiter_sends_nothing() -> None:
    cluster = FakeCluster()
    cluster.engine.enabled = False
    assert [one and one[:2] for one in check(cluster)] == [("fallback", True)] * 2
    assert cluster.sent == []


def test_keys_without_a_shard_have_no_server() -> None:
    cluster = FakeCluster(is_known=False)
    engine = cluster.engine
    assert check(cluster) == [("local", True, 8)] * 2
    assert engine.is_in_doubt
    assert (cluster.run(engine.refund(OF_A, 1)), cluster.run(engine.reset(OF_B))) == (1, 1)
    assert cluster.run(engine.find_problems([RULES], "p")) == []
    with pytest.raises(UnavailableError, match="the server is unavailable: not connected yet"):
        cluster.run(engine.reset_keys("p"))
    for command in (("RL.INSPECT", "k"), ALL, ONE):
        with pytest.raises(UnavailableError, match="not connected yet"):
            cluster.run(engine.execute_module_command("RL", command))
    assert cluster.sent == []


def test_units_without_a_shard_are_taken_back_locally() -> None:
    cluster = FakeCluster(is_known=False)
    (decision,) = cluster.run(cluster.engine.check(BOTH[:1]))
    assert decision is not None
    cluster.run(cluster.engine.take_back([(BOTH[0], decision)]))
    assert check(cluster, BOTH[0], record=False) == [("local", True, 9)]


def test_the_reason_for_a_slot_without_an_owner_is_named() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "CLUSTER", SLOTS[:1])
    cluster.reply("b:2", "CLUSTER", SLOTS[:1])
    assert cluster.refresh()
    with pytest.raises(UnavailableError, match="unavailable: no node of the cluster owns the key's hash slot"):
        cluster.run(cluster.engine.execute_module_command("RL.INSPECT", ("RL.INSPECT", OF_B)))


def test_units_are_taken_back_from_each_shard() -> None:
    cluster = FakeCluster()
    decisions = cluster.run(cluster.engine.check(BOTH))
    cluster.sent.clear()
    cluster.run(cluster.engine.take_back([(one, two) for one, two in zip(BOTH, decisions, strict=True) if two]))
    assert cluster.names() == ["a:1 RL.REFUND", "b:2 RL.REFUND"]


def test_limits_are_verified_by_the_shard_of_the_key() -> None:
    cluster = FakeCluster()
    assert cluster.run(cluster.engine.find_problems([RULES], "p")) == []
    assert len({address for address, *_ in cluster.sent}) == 1


def test_a_command_for_one_primary_is_sent_to_the_first_that_is_available() -> None:
    cluster = FakeCluster()
    engine = cluster.engine
    cluster.run(engine.execute_module_command("RL.POLICY", ONE))
    cluster.reply("a:1", "RL.RESET", GONE)
    cluster.run(engine.reset(OF_A))
    cluster.run(engine.execute_module_command("RL.POLICY", ONE))
    cluster.reply("b:2", "RL.RESET", GONE)
    cluster.run(engine.reset(OF_B))
    with pytest.raises(UnavailableError, match="gone"):
        cluster.run(engine.execute_module_command("RL.POLICY", ONE))
    assert [name for name in cluster.names() if "POLICY" in name] == ["a:1 RL.POLICY", "b:2 RL.POLICY"]


def test_a_command_for_all_primaries_fails_if_one_does_not_reply() -> None:
    cluster = FakeCluster()
    assert cluster.run(cluster.engine.execute_module_command("RL.STATS", ALL)) == {"a:1": 1, "b:2": 1}
    cluster.reply("b:2", "RL.STATS", GONE)
    with pytest.raises(UnavailableError, match="the server is unavailable: gone"):
        cluster.run(cluster.engine.execute_module_command("RL.STATS", ALL))


def test_a_command_for_a_node_that_has_left_is_an_error() -> None:
    cluster = FakeCluster()
    cluster.run(cluster.engine.execute_module_command("RL.TOP", NodeCommand("RL.TOP", nodes="b:2")))
    assert cluster.names() == ["b:2 RL.TOP"]
    with pytest.raises(ResponseError, match="node d:4 has left the cluster: begin the list again"):
        cluster.run(cluster.engine.execute_module_command("RL.TOP", NodeCommand("RL.TOP", nodes="d:4")))


def test_a_key_may_be_text_and_follow_a_subcommand() -> None:
    cluster = FakeCluster()
    cluster.run(cluster.engine.execute_module_command("RL.INSPECT", ("RL.INSPECT", OF_B.decode())))
    cluster.run(cluster.engine.execute_module_command("an override", ("RL.OVERRIDE", "GET", OF_B), OF_B))
    assert cluster.names() == ["b:2 RL.INSPECT", "b:2 RL.OVERRIDE"]


def test_available_shards_are_asked_in_turn_for_the_topology() -> None:
    cluster = FakeCluster()
    for _ in range(4):
        assert cluster.refresh()
    assert sorted(cluster.names()) == ["a:1 CLUSTER"] * 2 + ["b:2 CLUSTER"] * 2


def test_all_known_nodes_are_asked_if_no_shard_knows_the_topology() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "CLUSTER", ResponseError("ERR"), GONE)
    cluster.reply("b:2", "CLUSTER", GONE, [])
    assert cluster.refresh()
    assert cluster.rounds == [1, 1, 3]
    assert cluster.names()[2:] == ["a:1 CLUSTER", "b:2 CLUSTER", "c:3 CLUSTER"]
    cluster.reply("a:1", "CLUSTER", *[GONE] * 2)
    cluster.reply("b:2", "CLUSTER", *[GONE] * 2)
    cluster.reply("c:3", "CLUSTER", GONE)
    assert not cluster.refresh()
    # The shards have breakers of their own.
    assert cluster.engine.health().state == "closed"


def test_the_search_for_the_nodes_is_reported_until_one_replies() -> None:
    cluster = FakeCluster(is_known=False)
    for _ in range(2):
        cluster.reply("a:1", "CLUSTER", GONE)
        assert not cluster.refresh()
    health = cluster.engine.health()
    assert (health.state, health.last_error, health.shards) == ("open", "gone", ())
    cluster.reply("a:1", "CLUSTER", [])
    assert not cluster.refresh()
    assert cluster.engine.health().last_error == "node a:1 knows no node with hash slots"
    assert cluster.refresh()
    assert [(type(event), getattr(event, "server", "")) for event in cluster.events] == [
        (ServerUnavailable, "a:1"),
        (ServerRecovered, "a:1"),
    ]


def test_cached_denials_end_when_slots_move() -> None:
    cluster = FakeCluster(deny_cache=9)
    cluster.reply("b:2", "RL.CHECK", DENIED, DENIED)
    check(cluster, BOTH[1])
    assert cluster.refresh()
    assert check(cluster, BOTH[1]) == [("deny-cache", False, 0)]
    moved = [[0, 16_383, [b"a", 1]]]
    cluster.reply("a:1", "CLUSTER", moved)
    cluster.reply("b:2", "CLUSTER", moved)
    assert cluster.refresh()
    assert check(cluster, BOTH[1]) == [("module", True, 8)]


def test_the_counts_of_a_shard_that_has_left_stay() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", NodeFailure(asyncio.TimeoutError("late")), GONE)
    for _ in range(2):
        check(cluster)
    before = cluster.engine.health()
    moved = [[0, 16_383, [b"a", 1]]]
    for node in ("a:1", "b:2"):
        cluster.reply(node, "CLUSTER", moved)
    assert cluster.refresh()
    after = cluster.engine.health()
    assert (before.opened, before.unanswered) == (after.opened, after.unanswered) == (1, 1)
    assert len(after.shards) == 1


def test_the_keys_of_all_shards_are_reset() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "SCAN", [b"7", [b"p:1", b"p:2"]], [b"0", []])
    cluster.reply("b:2", "SCAN", ["0", ["p:3"]])
    assert cluster.run(cluster.engine.reset_keys("p")) == 3
    assert sorted(cluster.names()) == [
        "a:1 RL.RESET",
        "a:1 RL.RESET",
        "a:1 SCAN",
        "a:1 SCAN",
        "b:2 RL.RESET",
        "b:2 SCAN",
    ]
    cluster.reply("a:1", "SCAN", ResponseError("NOPERM"))
    cluster.reply("b:2", "SCAN", ["0", []])
    with pytest.raises(ResponseError, match="NOPERM"):
        cluster.run(cluster.engine.reset_keys("p"))


def test_an_allowed_check_is_not_denied_by_the_replies_of_others() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.MCHECK", [ALLOWED, ALLOWED])
    checks = [Check(b"{bar}1", RULES), Check(b"{bar}2", RULES), BOTH[1]]
    assert check(cluster, *checks) == [("module", True, 8)] * 3
    assert cluster.names() == ["a:1 RL.MCHECK", "b:2 RL.CHECK"]
