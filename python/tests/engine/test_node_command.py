"""Commands for chosen nodes."""

from __future__ import annotations

from redis.exceptions import ConnectionError as Lost

from ratelog.engine.node_command import (
    ALL_PRIMARIES,
    NodeCommand,
    NodeReplies,
    by_node,
    has_left,
    merge_replies,
    split_by_node,
)


def test_a_command_is_a_tuple_of_its_words() -> None:
    command = NodeCommand("RL.TOP", "DENIED", nodes=ALL_PRIMARIES)
    assert command.nodes == ALL_PRIMARIES
    assert command == ("RL.TOP", "DENIED")


def test_the_reply_of_a_server_outside_of_a_cluster_is_one() -> None:
    assert by_node({"checks": 5}) == {"": {"checks": 5}}
    assert by_node(NodeReplies({"a:1": 5, "b:1": 6})) == {"a:1": 5, "b:1": 6}


def test_replies_of_several_nodes_are_merged_in_the_order_of_the_commands() -> None:
    commands = [NodeCommand(name, nodes=node) for name, node in (("X", "b:2"), ("Y", "a:1"), ("Z", "b:2"))]
    assert split_by_node(commands) == {"b:2": [("X",), ("Z",)], "a:1": [("Y",)]}
    assert merge_replies(commands, {"a:1": [2], "b:2": [1, 3]}) == [1, 2, 3]


def test_the_failure_of_a_node_that_has_left_names_it() -> None:
    error = has_left("a:1").error
    assert isinstance(error, Lost)
    assert str(error) == "node a:1 has left the cluster"
