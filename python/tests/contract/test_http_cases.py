"""The shared table of HTTP headers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ratelog import Limits
from ratelog._core import Backoff, Decision, LimitSet, Policies, RetryHint, RetryPolicy
from support.server import ROOT

if TYPE_CHECKING:
    from ratelog._core import Source

TABLE = json.loads((ROOT / "tests/http_cases.json").read_text(encoding="utf-8"))
POLICY = RetryPolicy(base=0.001)
"""Its waits without a server's wait are shorter than any that a server gives."""


def to_limits(limit: dict[str, Any]) -> Limits:
    if "policy" in limit:
        policy, rules = Limits.of_policy(limit["policy"]), limit.get("rules")
        return policy if rules is None else Policies({limit["policy"]: Limits(rules)}).resolve(policy)[0]
    return Limits(limit["rules"], names=limit.get("names"))


def to_headers(lines: list[list[str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in lines]


@pytest.mark.parametrize("case", TABLE["write"], ids=lambda case: case["name"])
def test_responses_have_the_expected_headers_and_problem_details(case: dict[str, Any]) -> None:
    limit_set = LimitSet([to_limits(limit) for limit in case["limits"]], case["family"])
    replies = case["decisions"]
    counted = case.get("counted", [True] * len(replies))
    sources: list[Source] = ["module" if is_counted else "fallback" for is_counted in counted]
    decisions = [reply and Decision.from_reply(reply, source) for reply, source in zip(replies, sources, strict=True)]
    assert limit_set.headers(decisions, case.get("sent_at")) == to_headers(case["headers"])
    if "problem" in case:
        assert json.loads(limit_set.problem(decisions)) == case["problem"]


@pytest.mark.parametrize("case", TABLE["read"], ids=lambda case: case["name"])
def test_headers_give_the_expected_wait_and_remaining(case: dict[str, Any]) -> None:
    hint = RetryHint.from_headers(to_headers(case["headers"]), case["received_at"])
    assert (hint.wait, hint.remaining) == (case["wait"], case["remaining"])


@pytest.mark.parametrize("case", TABLE["retry"], ids=lambda case: case["name"])
def test_responses_give_the_expected_action(case: dict[str, Any]) -> None:
    backoff = Backoff(POLICY, case["method"], to_headers(case["request_headers"]))
    headers = to_headers(case["response_headers"])
    wait = backoff.after_response(case["status"], headers, case["received_at"], elapsed=0.0)
    action = case["action"]
    if action == "stop":
        assert wait is None
        return
    assert wait is not None
    if action == "backoff":
        assert 0.001 <= wait <= 0.002
    else:
        # A wait that a server gives is lengthened by at most a tenth.
        assert action["wait"] <= wait <= action["wait"] * 1.1
