"""Checks of keys that several shards own."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from ratelog import Check, Decision
from ratelog.engine.partition import Outcome, Partition, is_denied, unrecord
from support.fake_cluster import OF_A, OF_B, RULES, FakeCluster

A, B = Check(OF_A, RULES, 2), Check(OF_B, RULES)


def decision(*, allowed: bool = True, reset_after_ms: int = 60_000) -> Decision:
    return Decision(allowed, 9, 5, 0, reset_after_ms, 60_000, "module")


def test_items_are_divided_by_the_shard_of_their_keys_and_merged_in_order() -> None:
    shards = FakeCluster().engine.shards
    partition = Partition([OF_B, OF_A, OF_B], shards.of_key)
    assert partition.shards == [shards.get("b:2"), shards.get("a:1")]
    assert partition.split([1, 2, 3]) == [[1, 3], [2]]
    assert partition.merge([["x", "z"], ["y"]]) == ["x", "y", "z"]
    unowned = Partition([OF_A, OF_B], FakeCluster(is_known=False).engine.shards.of_key)
    assert (unowned.shards, unowned.split([1, 2])) == ([None], [[1, 2]])


def test_the_units_of_allowed_parts_are_taken_back() -> None:
    allowed: list[Decision | None] = [decision(), decision(reset_after_ms=50_000)]
    assert unrecord([[A, B]], [allowed]) == [(A, decision())]
    assert [one.remaining for one in allowed if one] == [7, 5]


@pytest.mark.parametrize("outcome", [[decision(), decision(allowed=False)], [None, decision(allowed=False)]])
def test_a_denied_part_has_recorded_nothing(outcome: Outcome) -> None:
    assert (unrecord([[A, B]], [outcome]), is_denied(outcome)) == ([], True)


def test_a_failed_part_has_recorded_nothing() -> None:
    failed = ResponseError("WRONGTYPE")
    assert (unrecord([[A]], [failed]), is_denied(failed), is_denied([decision()])) == ([], True, False)
