"""Policies as arguments and in replies."""

from __future__ import annotations

import pytest

from ratelog import Limits
from ratelog.engine.policies import (
    NodePolicies,
    Policy,
    parse_node_policies,
    parse_policy,
    policy_rules,
    to_document,
)


def test_rules_become_arguments() -> None:
    assert policy_rules("login", "5/minute; 9/hour") == ("5", "60000ms", "9", "3600000ms")
    assert policy_rules("login", Limits("0/second")) == ("0", "1000ms")


@pytest.mark.parametrize(("name", "limits"), [("log in", "5/minute"), ("login", "x"), ("login", Limits.of_policy("b"))])
def test_invalid_names_and_rules_are_rejected(name: str, limits: str | Limits) -> None:
    with pytest.raises(ValueError):
        policy_rules(name, limits)


def test_a_policy_is_parsed_from_both_protocols() -> None:
    expected = Policy("login", Limits("5/second"), shadow=True)
    assert parse_policy("login", [b"mode", b"shadow", b"rules", [[5, 1000]]]) == expected
    assert parse_policy("login", {"mode": "shadow", "rules": [[5, 1000]]}) == expected
    assert parse_policy("login", [b"mode", b"enforce", b"rules", [[5, 1000]]]) == Policy("login", Limits("5/second"))
    assert parse_policy("login", None) is None


def test_the_versions_of_nodes_are_parsed_from_both_protocols() -> None:
    expected = [NodePolicies("id", 7, "ff", False, 12)]
    assert (
        parse_node_policies([[b"node", b"id", b"version", 7, b"digest", b"ff", b"equal", 0, b"age_ms", 12]]) == expected
    )
    assert parse_node_policies([{"node": "id", "version": 7, "digest": "ff", "equal": 0, "age_ms": 12}]) == expected


def test_a_parsed_document_becomes_json() -> None:
    assert to_document({"policies": []}) == '{"policies": []}'
    assert to_document("text") == "text"
    assert to_document(b"bytes") == b"bytes"
