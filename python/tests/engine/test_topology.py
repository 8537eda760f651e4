"""The nodes of a cluster and their slots."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from ratelog.engine.topology import Topology


def test_primaries_own_slots_and_replicas_are_known() -> None:
    reply = [
        [0, 5460, [b"192.0.2.1", 1, b"id"], ["192.0.2.2", 2, "id"]],
        [5461, 5461, [b"", 4]],
        [5462, 5999, [b"?", 5], [b"2001:db8::1", 6]],
        [6000, 9_999, [None, 3]],
        [10_000, 16_383, [b"?", 7, b"id", [b"ip", b"192.0.2.7"]]],
        [16_383, 16_383],
        [16_383, 16_383, [b"", 0]],
    ]
    topology = Topology.from_reply(reply, "example.com:7")
    assert topology.ranges == [
        (0, 5460, "192.0.2.1:1"),
        (5461, 5461, "example.com:4"),
        (6000, 9_999, "example.com:3"),
        (10_000, 16_383, "192.0.2.7:7"),
    ]
    assert topology.addresses == {
        "192.0.2.1:1",
        "192.0.2.2:2",
        "192.0.2.7:7",
        "2001:db8::1:6",
        "example.com:3",
        "example.com:4",
    }


@pytest.mark.parametrize("reply", [None, [], 1, [[0, 1, [b"?", 5]]]])
def test_a_reply_without_owners_is_an_error(reply: object) -> None:
    with pytest.raises(ResponseError, match="node h:1 knows no node with hash slots"):
        Topology.from_reply(reply, "h:1")
