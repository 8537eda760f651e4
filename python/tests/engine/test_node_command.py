"""Commands for chosen nodes."""

from __future__ import annotations

from ratelog.engine.node_command import ALL_PRIMARIES, NodeCommand, NodeReplies, by_node


def test_a_command_is_a_tuple_of_its_words() -> None:
    command = NodeCommand("RL.TOP", "DENIED", nodes=ALL_PRIMARIES)
    assert command.nodes == ALL_PRIMARIES
    assert command == ("RL.TOP", "DENIED")


def test_the_reply_of_a_server_outside_of_a_cluster_is_one() -> None:
    assert by_node({"checks": 5}) == {"": {"checks": 5}}
    assert by_node(NodeReplies({"a:1": 5, "b:1": 6})) == {"a:1": 5, "b:1": 6}
