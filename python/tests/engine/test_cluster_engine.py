"""The engine of a cluster with given replies."""

from __future__ import annotations

import pytest
from redis.exceptions import ReadOnlyError, ResponseError, TryAgainError

from ratelog import Check, Limits, NoPolicyError
from ratelog._core import hash_slot
from support.cluster import SUFFIX, keys_of_one_slot
from support.fake_cluster import ALLOWED, BOTH, DENIED, GONE, OF_A, OF_B, RULES, FakeCluster

HALF = 8_192
"""The first slot of the second shard."""


def test_checks_of_several_shards_are_sent_at_once() -> None:
    cluster = FakeCluster()
    assert cluster.check(*BOTH) == [("module", True, 8)] * 2
    assert (cluster.names(), cluster.rounds) == (["a:1 RL.CHECK", "b:2 RL.CHECK"], [2])


def test_a_denial_takes_back_what_other_shards_recorded() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert cluster.check(*BOTH) == [("module", True, 9), ("module", False, 0)]
    assert cluster.names()[2:] == ["a:1 RL.REFUND"]
    cluster.reply("b:2", "RL.PEEK", DENIED)
    assert cluster.check(*BOTH, record=False) == [("module", True, 8), ("module", False, 0)]
    assert cluster.names()[3:] == ["a:1 RL.PEEK", "b:2 RL.PEEK"]


def test_the_same_check_twice_is_recorded_and_taken_back_twice() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert cluster.check(BOTH[0], BOTH[1], BOTH[0]) == [
        ("module", True, 9),
        ("module", False, 0),
        ("module", True, 9),
    ]
    assert cluster.names().count("a:1 RL.REFUND") == 2


def test_an_error_of_one_shard_is_raised_after_the_others_are_taken_back() -> None:
    cluster = FakeCluster()
    cluster.reply("b:2", "RL.CHECK", ResponseError("NOPOLICY no policy named 'gold'"))
    with pytest.raises(NoPolicyError):
        cluster.check(*BOTH)
    assert cluster.names()[2:] == ["a:1 RL.REFUND"]
    cluster.reply("b:2", "RL.PEEK", ResponseError("WRONGTYPE"))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        cluster.check(*BOTH, record=False)
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
        cluster.check(first, BOTH[1])
        assert cluster.names() == ["a:1 EVALSHA", "b:2 EVALSHA"]
    # A shadow policy records what it allows by itself.
    cluster.sent.clear()
    cluster.reply("b:2", "EVALSHA", DENIED)
    cluster.reply("a:1", "EVALSHA", ALLOWED)
    cluster.check(shadow, BOTH[1])
    assert cluster.names()[2:] == ["a:1 EVALSHA"]
    # The fixed fallback records nothing, either.
    cluster.sent.clear()
    cluster.reply("a:1", "EVALSHA", GONE)
    cluster.reply("b:2", "EVALSHA", DENIED)
    assert cluster.check(*BOTH) == [("fallback", True, 8), ("script", False, 0)]
    assert cluster.names() == ["a:1 EVALSHA", "b:2 EVALSHA"]


def test_what_an_override_allows_is_not_taken_back() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", [1, 9, 6, 0, 50_000, 60_000])
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert cluster.check(*BOTH) == [("module", True, 6), ("module", False, 0)]
    assert cluster.names() == ["a:1 RL.CHECK", "b:2 RL.CHECK"]


def test_a_shard_that_denies_takes_back_its_own_checks_once() -> None:
    cluster = FakeCluster()
    # Different costs cannot be one command.
    checks = [Check(OF_A + b"1", RULES), Check(OF_A + b"2", RULES, 2), BOTH[1]]
    cluster.reply("a:1", "RL.CHECK", ALLOWED, DENIED)
    assert cluster.check(*checks) == [("module", True, 9), ("module", False, 0), ("module", True, 9)]
    assert cluster.sent[3:] == [
        ("a:1", "RL.REFUND", OF_A + b"1", "COST", 1),
        ("b:2", "RL.REFUND", OF_B, "COST", 1),
    ]


@pytest.mark.parametrize("error", [TryAgainError("Multiple keys"), ResponseError("TRYAGAIN Multiple keys")])
def test_keys_of_a_slot_that_moves_are_checked_one_by_one(error: ResponseError) -> None:
    cluster = FakeCluster()
    checks = [Check(OF_A + b"1", RULES), Check(OF_A + b"2", RULES)]
    cluster.reply("a:1", "RL.MCHECK", error)
    assert cluster.check(*checks) == [("module", True, 8)] * 2
    assert cluster.names() == ["a:1 RL.MCHECK", "a:1 RL.CHECK", "a:1 RL.CHECK"]
    # Any other error is a failure of the server.
    cluster.reply("a:1", "RL.MCHECK", ReadOnlyError("You can't write against a read only replica."))
    assert cluster.check(*checks) == [("local", True, 8)] * 2


def test_with_the_script_the_name_of_the_log_decides_the_shard() -> None:
    cluster = FakeCluster()
    names = [b"k%d" % number for number in range(100)]
    name = next(name for name in names if hash_slot(name) < HALF <= hash_slot(name + SUFFIX))
    cluster.check(Check(name, RULES))
    cluster.use_script()
    cluster.reply("b:2", "EVALSHA", ALLOWED)
    cluster.check(Check(name, RULES))
    assert cluster.names() == ["a:1 RL.CHECK", "b:2 EVALSHA"]


def test_with_the_script_keys_of_one_slot_are_one_command_if_their_logs_are_in_one() -> None:
    cluster = FakeCluster()
    cluster.use_script()
    cluster.reply("a:1", "EVALSHA", [ALLOWED, ALLOWED])
    assert cluster.check(Check(OF_A + b"1", RULES), Check(OF_A + b"2", RULES)) == [("script", True, 8)] * 2
    assert len(cluster.sent) == 1
    names = keys_of_one_slot()
    for address in ("a:1", "b:2"):
        cluster.reply(address, "EVALSHA", ALLOWED, ALLOWED)
    assert cluster.check(*[Check(name, RULES) for name in names]) == [("script", True, 8)] * 2
    assert len(cluster.sent) == 3


def test_the_fallback_decides_the_checks_of_a_lost_shard_only() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", GONE)
    assert cluster.check(*BOTH) == [("local", True, 8), ("module", True, 8)]
    cluster.sent.clear()
    assert cluster.check(*BOTH) == [("local", True, 7), ("module", True, 8)]
    assert cluster.names() == ["b:2 RL.CHECK"]
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert cluster.check(*BOTH) == [("local", True, 7), ("module", False, 0)]
    assert cluster.check(*BOTH)[0] == ("local", True, 6)


def test_a_cached_denial_decides_for_all_shards() -> None:
    cluster = FakeCluster(deny_cache=9)
    cluster.reply("b:2", "RL.CHECK", DENIED)
    assert cluster.check(BOTH[1]) == [("module", False, 0)]
    cluster.sent.clear()
    assert cluster.check(*BOTH) == [None, ("deny-cache", False, 0)]
    assert cluster.sent == []
    assert cluster.check(BOTH[0], Check(b"foo2", RULES))[0] == ("module", True, 8)


def test_denials_are_cached_by_the_shard_that_tracks_the_key() -> None:
    cluster = FakeCluster(deny_cache=9)
    cached: list[tuple[str, bytes]] = []

    def cache(shard: object, check: Check) -> bool:
        cached.append((getattr(shard, "address", ""), check.key))
        return True

    cluster.engine.cache_denial_of_shard = cache
    cluster.reply("b:2", "RL.CHECK", DENIED)
    cluster.check(*BOTH)
    assert cached == [("b:2", OF_B)]
    cluster.engine.is_shard_tracking = lambda shard: shard.address == "b:2"
    health = cluster.engine.health()
    assert ([shard.tracking for shard in health.shards], health.tracking) == ([False, True], False)


def test_a_disabled_limiter_sends_nothing() -> None:
    cluster = FakeCluster()
    cluster.engine.enabled = False
    assert [one and one[:2] for one in cluster.check(*BOTH)] == [("fallback", True)] * 2
    assert cluster.sent == []


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
    assert cluster.check(*checks) == [("module", True, 8)] * 3
    assert cluster.names() == ["a:1 RL.MCHECK", "b:2 RL.CHECK"]
