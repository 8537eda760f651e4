"""Parses the contents of a key."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from ratelog import Decision, Limits, Override
from ratelog.engine.inspection import Explanation, Hit, KeyInfo, parse_explanation, parse_hits, parse_key_info
from ratelog.engine.overrides import parse_map

OVERRIDE = [b"action", b"limit", b"rules", [[5, 1000]], b"ttl_ms", 9]
INFO = [b"units", 2, b"oldest_ms", 1, b"newest_ms", 3, b"retention_ms", 60000, b"bytes", 99, b"override", OVERRIDE]
DECISION = [1, 5, 4, 0, 7, 60000]
EXPLANATION = [
    b"rules", [DECISION], b"decision", DECISION, b"decided_by", b"shadow", b"rule", 0, b"override", None,
]  # fmt: skip


def test_what_a_key_holds_is_parsed_from_both_protocols() -> None:
    expected = KeyInfo(2, 1, 3, 60_000, 99, Override("limit", Limits("5/second"), 9))
    assert parse_key_info(INFO) == parse_key_info(parse_map(INFO)) == expected
    assert parse_key_info(None) is None


def test_an_explanation_is_parsed_from_both_protocols() -> None:
    decision = Decision(True, 5, 4, 0, 7, 60_000)
    expected = Explanation(decision, (decision,), "shadow", 0, None)
    assert parse_explanation(EXPLANATION) == parse_explanation(parse_map(EXPLANATION)) == expected


def test_hits_are_parsed() -> None:
    assert parse_hits([[5, 2], [3, 1]]) == [Hit(5, 2), Hit(3, 1)]
    assert parse_hits([]) == []


def test_an_invalid_reply_raises() -> None:
    with pytest.raises(ResponseError, match="expected a map, not 5"):
        parse_key_info(5)
