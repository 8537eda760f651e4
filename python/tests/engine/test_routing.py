"""Redirects, and operations that run together."""

from __future__ import annotations

import pytest
from redis.exceptions import AskError, MovedError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as Late

from ratelog import Check, Limits
from ratelog.engine.node_command import NodeFailure
from ratelog.engine.routing import MAX_REDIRECTS, together
from ratelog.events import CheckCompleted
from support.fake_cluster import ALLOWED, DENIED, OF_A, OF_B, FakeCluster

UNKNOWN = ResponseError("unknown command 'RL.CHECK'")
TO_B, TO_C = MovedError("5061 b:2"), MovedError("5061 c:3")
ASK_C = AskError("5061 c:3")
CHECK = [Check(OF_A, Limits("9/minute"))]


def check(cluster: FakeCluster) -> str:
    (decision,) = cluster.run(cluster.engine.check(CHECK))
    assert decision is not None
    return decision.source


def test_a_slot_that_has_moved_is_followed_and_remembered() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", TO_B)
    assert [check(cluster), check(cluster)] == ["module", "module"]
    assert cluster.names() == ["a:1 RL.CHECK", "b:2 RL.CHECK", "b:2 RL.CHECK"]
    assert cluster.engine.is_in_doubt


def test_a_command_is_asked_elsewhere_in_one_pipeline_and_the_slot_stays() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", ASK_C)
    assert [check(cluster), check(cluster)] == ["module", "module"]
    assert cluster.names() == ["a:1 RL.CHECK", "c:3 ASKING", "c:3 RL.CHECK", "a:1 RL.CHECK"]
    assert cluster.rounds == [1, 2, 1]
    assert not cluster.engine.is_in_doubt


def test_nodes_that_redirect_to_each_other_are_given_up() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", *[TO_B] * 9)
    cluster.reply("b:2", "RL.CHECK", *[MovedError("5061 a:1")] * 9)
    assert check(cluster) == "local"
    assert len(cluster.sent) == 1 + MAX_REDIRECTS


def test_the_script_is_loaded_where_the_redirect_leads() -> None:
    cluster = FakeCluster()
    cluster.use_script()
    cluster.reply("a:1", "EVALSHA", TO_B)
    cluster.reply("b:2", "EVALSHA", NoScriptError("none"), ALLOWED)
    assert check(cluster) == "script"
    assert cluster.names() == ["a:1 EVALSHA", "b:2 EVALSHA", "b:2 SCRIPT", "b:2 EVALSHA"]


def test_a_failure_after_a_redirect_is_that_of_the_other_shard() -> None:
    cluster = FakeCluster(failure_threshold=2)
    a, b = cluster.engine.shards.owners()
    for _ in range(2):
        cluster.reply("a:1", "RL.CHECK", AskError("5061 b:2"))
        cluster.reply("b:2", "RL.CHECK", NodeFailure(Late("late")))
        (decision,) = cluster.run(cluster.engine.decide(CHECK))
        assert decision is not None
        assert decision.source == "local"
        event = cluster.events[-1]
        assert isinstance(event, CheckCompleted)
        assert event.errors == {CHECK[0]: "redis.exceptions.TimeoutError"}
    assert (a.breaker.state, a.unanswered, a.breaker.last_error) == ("closed", 0, None)
    assert (b.breaker.state, b.unanswered, b.breaker.last_error) == ("open", 1, "late")
    # Now it is known to be lost, so nothing is sent to it.
    cluster.sent.clear()
    cluster.reply("a:1", "RL.CHECK", AskError("5061 b:2"))
    assert check(cluster) == "local"
    assert cluster.names() == ["a:1 RL.CHECK"]


def test_a_redirect_to_a_new_shard_does_not_wait_for_its_probe() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", TO_C)
    assert check(cluster) == "module"
    shard = cluster.engine.shards.get("c:3")
    assert shard is not None
    # Other checks do not wait for it, either.
    assert shard.is_available
    assert check(cluster) == "module"
    assert cluster.names()[1:] == ["c:3 RL.CHECK"] * 2


def test_only_the_checks_that_are_redirected_are_sent_again() -> None:
    cluster = FakeCluster()
    # Both keys belong to the first shard, in different slots.
    checks = [*CHECK, Check(b"k3", Limits("9/minute"))]
    cluster.reply("a:1", "RL.CHECK", TO_B, ALLOWED)
    decisions = cluster.run(cluster.engine.check(checks))
    assert [decision.source for decision in decisions if decision is not None] == ["module", "module"]
    assert cluster.names() == ["a:1 RL.CHECK", "a:1 RL.CHECK", "b:2 RL.CHECK"]


def test_operations_that_run_together_share_their_round_trips() -> None:
    cluster = FakeCluster()
    engine = cluster.engine
    cluster.reply("b:2", "RL.RESET", ResponseError("WRONGTYPE"))
    first, second, third = cluster.run(together([engine.reset(OF_A), engine.reset(OF_B), engine.refund(OF_A, 2)]))
    assert (first, str(second), third) == (1, "WRONGTYPE", 1)
    assert cluster.rounds == [3]
    assert cluster.run(together([])) == []


def test_operations_may_take_different_numbers_of_round_trips() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", UNKNOWN)
    cluster.reply("a:1", "EVALSHA", DENIED)
    decisions = cluster.run(cluster.engine.check([*CHECK, Check(OF_B, Limits("9/minute"))], record=True))
    assert [(decision.source, decision.allowed) for decision in decisions if decision is not None] == [
        ("script", False),
        ("module", True),
    ]
    assert cluster.names() == ["a:1 RL.CHECK", "b:2 RL.CHECK", "a:1 EVALSHA", "b:2 RL.REFUND"]


def test_an_error_of_the_node_is_raised() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.OVERRIDE", NodeFailure(Lost("gone")))
    with pytest.raises(Exception, match="the server is unavailable: gone"):
        cluster.run(cluster.engine.execute_module_command("an override", ("RL.OVERRIDE", "GET", OF_A)))
