"""Redirects, and operations that run together."""

from __future__ import annotations

import pytest
from redis.exceptions import AskError, BusyLoadingError, ClusterDownError, MovedError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as Late

from ratelog import Check, Limits, NeedsModuleError, UnavailableError
from ratelog.engine.node_command import NodeFailure
from ratelog.engine.redirect import NO_OWNER
from ratelog.engine.routing import MAX_REDIRECTS, together
from ratelog.events import CheckCompleted
from support.fake_cluster import ALLOWED, DENIED, GONE, OF_A, OF_B, RULES, FakeCluster

UNKNOWN = ResponseError("unknown command 'RL.CHECK'")
TO_B, TO_C = MovedError("5061 b:2"), MovedError("5061 c:3")
ASK_C = AskError("5061 c:3")
CHECK = [Check(OF_A, RULES)]
TWO = [*CHECK, Check(b"k2", RULES)]
"""Keys of the first shard in different slots."""


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


def test_successes_after_redirects_reset_the_failures_of_the_other_shard() -> None:
    cluster = FakeCluster(failure_threshold=2)
    _, b = cluster.engine.shards.owners()
    ask = AskError("5061 b:2")
    for reply in (NodeFailure(Late("late")), ALLOWED, BusyLoadingError("loading"), ALLOWED):
        cluster.reply("a:1", "RL.CHECK", ask)
        cluster.reply("b:2", "RL.CHECK", reply)
        check(cluster)
    assert (b.breaker.state, b.unanswered) == ("closed", 2)


def test_a_round_trip_that_is_lost_after_redirects_is_one_failure() -> None:
    cluster = FakeCluster(failure_threshold=2)
    a, b = cluster.engine.shards.owners()
    cluster.reply("a:1", "RL.CHECK", TO_B, MovedError("449 b:2"))
    cluster.reply("b:2", "RL.CHECK", *[NodeFailure(Late("late"))] * 2)
    assert cluster.check(*TWO) == [("local", True, 8)] * 2
    assert (a.breaker.state, b.breaker.state, b.unanswered) == ("closed", "closed", 2)


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
    cluster.reply("a:1", "RL.CHECK", TO_B, ALLOWED)
    decisions = cluster.run(cluster.engine.check(TWO))
    assert [decision.source for decision in decisions if decision is not None] == ["module", "module"]
    assert cluster.names() == ["a:1 RL.CHECK", "a:1 RL.CHECK", "b:2 RL.CHECK"]


@pytest.mark.parametrize(
    ("redirect", "script"),
    [(TO_B, ["b:2 EVALSHA"]), (AskError("5061 b:2"), ["a:1 EVALSHA", "b:2 EVALSHA"])],
    ids=["moved", "ask"],
)
def test_a_node_without_the_module_runs_the_script_and_the_one_before_keeps_the_module(
    redirect: ResponseError, script: list[str]
) -> None:
    cluster = FakeCluster()
    a, b = cluster.engine.shards.owners()
    cluster.reply("a:1", "RL.CHECK", redirect)
    cluster.reply("b:2", "RL.CHECK", UNKNOWN)
    # The old owner may have the script's log.
    cluster.reply("a:1", "EVALSHA", redirect)
    cluster.reply("b:2", "EVALSHA", ALLOWED)
    assert check(cluster) == "script"
    names = [name for name in cluster.names() if "ASKING" not in name]
    assert names == ["a:1 RL.CHECK", "b:2 RL.CHECK", *script]
    assert (a.backend.has_module, b.backend.has_module) == (True, False)
    assert cluster.check(TWO[1]) == [("module", True, 8)]


def test_checks_that_meet_a_node_without_the_module_together_run_the_script_there() -> None:
    cluster = FakeCluster()
    a, _ = cluster.engine.shards.owners()
    cluster.reply("a:1", "RL.CHECK", TO_B, TO_B)
    cluster.reply("b:2", "RL.CHECK", UNKNOWN, UNKNOWN)
    cluster.reply("b:2", "EVALSHA", ALLOWED, ALLOWED)
    outcomes = cluster.run(together([cluster.engine.check(CHECK) for _ in range(2)]))
    assert [[one and one.source for one in outcome] for outcome in outcomes if isinstance(outcome, list)] == [
        ["script"],
        ["script"],
    ]
    assert a.backend.has_module


def test_a_node_without_the_module_is_an_error_if_the_module_is_required() -> None:
    cluster = FakeCluster(backend="module")
    cluster.reply("a:1", "RL.CHECK", TO_B)
    cluster.reply("b:2", "RL.CHECK", UNKNOWN)
    with pytest.raises(NeedsModuleError):
        check(cluster)


def test_only_the_checks_of_a_node_without_the_module_run_the_script() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", TO_B, ALLOWED)
    cluster.reply("b:2", "RL.CHECK", UNKNOWN)
    cluster.reply("b:2", "EVALSHA", DENIED)
    assert cluster.check(*TWO) == [("script", False, 0), ("module", True, 9)]
    assert cluster.names()[2:] == ["b:2 RL.CHECK", "b:2 EVALSHA", "a:1 RL.REFUND"]


def test_a_policy_that_is_fetched_decides_on_a_node_without_the_module() -> None:
    cluster = FakeCluster()
    policy = {"rules": [[3, 60_000]], "mode": "enforce"}
    cluster.reply("a:1", "RL.CHECK", TO_B)
    cluster.reply("a:1", "RL.POLICY", policy)
    cluster.reply("b:2", "RL.CHECK", UNKNOWN)
    cluster.reply("b:2", "EVALSHA", ALLOWED)
    assert cluster.check(Check(OF_A, Limits.of_policy("gold"))) == [("script", True, 8)]
    assert cluster.names() == ["a:1 RL.CHECK", "a:1 RL.POLICY", "b:2 RL.CHECK", "b:2 EVALSHA"]


def test_what_others_recorded_is_taken_back_if_one_check_is_redirected_in_vain() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.CHECK", TO_B, ALLOWED)
    cluster.reply("b:2", "RL.CHECK", GONE)
    assert cluster.check(*TWO) == [("local", True, 8)] * 2
    assert cluster.names() == ["a:1 RL.CHECK", "a:1 RL.CHECK", "b:2 RL.CHECK", "a:1 RL.REFUND"]
    assert cluster.sent[-1][2] == b"k2"


def test_a_slot_without_an_owner_is_no_failure_of_the_node_that_says_so() -> None:
    cluster = FakeCluster(failure_threshold=1)
    a, _ = cluster.engine.shards.owners()
    cluster.reply("a:1", "RL.CHECK", ClusterDownError("Hash slot not served"))
    cluster.run(cluster.engine.decide(CHECK))
    assert (a.breaker.state, a.breaker.last_error) == ("closed", None)
    health = cluster.engine.health()
    assert (health.unanswered, health.last_error, health.shards[0].last_error) == (1, NO_OWNER, NO_OWNER)
    event = cluster.events[-1]
    assert isinstance(event, CheckCompleted)
    assert event.errors == {CHECK[0]: "circuit_open"}
    # Another node may own it by now.
    assert cluster.engine.is_in_doubt
    # The whole cluster is down.
    cluster.reply("a:1", "RL.CHECK", ClusterDownError("The cluster is down"))
    assert check(cluster) == "local"
    assert a.breaker.state == "open"


def test_the_script_is_loaded_into_each_node_that_lacks_it() -> None:
    cluster = FakeCluster()
    cluster.use_script()
    cluster.reply("a:1", "EVALSHA", TO_B, MovedError("2724 c:3"))
    cluster.reply("b:2", "EVALSHA", NoScriptError("none"), NoScriptError("none"), ALLOWED)
    cluster.reply("c:3", "EVALSHA", NoScriptError("none"), ALLOWED)
    assert cluster.check(*TWO) == [("script", True, 8)] * 2
    assert [name for name in cluster.names() if "SCRIPT" in name] == ["c:3 SCRIPT", "b:2 SCRIPT"]


def test_a_node_that_cannot_load_the_script_is_an_error() -> None:
    cluster = FakeCluster()
    cluster.use_script()
    cluster.reply("a:1", "EVALSHA", NoScriptError("none"))
    cluster.reply("a:1", "SCRIPT", ResponseError("NOPERM no permissions"))
    with pytest.raises(ResponseError, match="NOPERM"):
        check(cluster)


def test_a_probe_for_the_module_says_nothing_about_the_node_that_it_is_redirected_to() -> None:
    cluster = FakeCluster()
    a, _ = cluster.engine.shards.owners()
    a.backend.dialect = a.backend._script
    cluster.reply("a:1", "EVALSHA", ALLOWED)
    cluster.reply("a:1", "RL.REFUND", TO_B)
    cluster.reply("b:2", "RL.REFUND", UNKNOWN)
    assert check(cluster) == "script"
    # A node that redirects the command knows it.
    assert a.backend.has_module
    assert cluster.names() == ["a:1 EVALSHA", "a:1 RL.REFUND"]


def test_a_command_of_operators_names_the_shard_that_is_lost() -> None:
    cluster = FakeCluster()
    cluster.reply("a:1", "RL.OVERRIDE", TO_B)
    cluster.reply("b:2", "RL.OVERRIDE", GONE)
    with pytest.raises(UnavailableError, match="the shard b:2 is unavailable: gone"):
        cluster.run(cluster.engine.execute_module_command("an override", ("RL.OVERRIDE", "GET", OF_A)))


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
