"""The errors of a cluster's node that name another node."""

from __future__ import annotations

import pytest
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from ratelog.engine.redirect import Redirect, is_about_slot, is_split


def test_only_redirects_are_read() -> None:
    assert Redirect.from_reply(MovedError("3999 192.0.2.1:6381"), "h:1") == Redirect(3999, "192.0.2.1:6381", False)
    assert Redirect.from_reply(AskError("3999 192.0.2.1:6381"), "h:1") == Redirect(3999, "192.0.2.1:6381", True)
    assert Redirect.from_reply(TryAgainError("3999 192.0.2.1:6381"), "h:1") is None
    assert Redirect.from_reply(ResponseError(""), "h:1") is None
    assert Redirect.from_reply(1, "h:1") is None


def test_errors_without_a_class_of_their_own_are_read() -> None:
    # redis-py before 5.1 has the classes for its client of a cluster only.
    moved = Redirect.from_reply(ResponseError("MOVED 3999 192.0.2.1:6381"), "h:1")
    assert moved == Redirect(3999, "192.0.2.1:6381", False)
    assert Redirect.from_reply(ResponseError("ASK 3999 :6381"), "h:1") == Redirect(3999, "h:6381", True)
    assert is_about_slot(ResponseError("MOVED 3999 192.0.2.1:6381"))
    assert is_about_slot(ResponseError("CLUSTERDOWN Hash slot not served"))


def test_a_node_without_a_host_is_the_one_that_replied() -> None:
    assert Redirect.from_reply(MovedError("3999 :6381"), "192.0.2.9:1") == Redirect(3999, "192.0.2.9:6381", False)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (MovedError("1 h:1"), True),
        (AskError("1 h:1"), True),
        (ClusterDownError("Hash slot not served"), True),
        (ClusterDownError("The cluster is down"), False),
        (ResponseError("ERR unknown command"), False),
        (0, False),
    ],
)
def test_errors_about_a_slot_say_that_the_node_is_available(reply: object, expected: bool) -> None:
    assert is_about_slot(reply) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TryAgainError("Multiple keys request"), True),
        (ResponseError("TRYAGAIN Multiple keys request"), True),
        (MovedError("1 h:1"), False),
    ],
)
def test_a_node_that_has_some_keys_only_is_recognized(error: ResponseError, expected: bool) -> None:
    assert is_split(error) is expected
