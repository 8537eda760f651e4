from __future__ import annotations

import gc
import json
import threading
import time
from typing import Any

import pytest

from ratelog._core import DEFAULT_MAX_BYTES, Decision, Limits, LocalLimiter
from support.server import ROOT
from support.wait import TIMEOUT

START = 1_700_000_000_000
TABLE = json.loads((ROOT / "tests/cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_the_local_limiter_passes_the_cases(case: dict[str, Any]) -> None:
    limiter = LocalLimiter()
    for event in case["events"]:
        now_ms = START + event["at"]
        if "refund" in event:
            assert limiter.refund("key", event["refund"], now_ms=now_ms) == event["units"]
            continue
        method = limiter.check if "check" in event else limiter.peek
        limits = Limits.of_rules([(limit, window) for limit, window in event.get("check") or event["peek"]])
        decision = method("key", limits, event.get("cost", 1), now_ms=now_ms)
        assert decision == Decision.from_reply(event["decision"], "local"), event


def test_decisions_have_their_keys() -> None:
    limiter, limits = LocalLimiter(), Limits("1/minute")
    for key in ("user:42", b"user:42"):
        assert limiter.check(key, limits).key == limiter.peek(key, limits).key == b"user:42"
    assert [decision.key for decision in limiter.mcheck([("a", limits), (b"b", limits)])] == [b"a", b"b"]


def test_all_keys_are_recorded_or_none() -> None:
    limiter = LocalLimiter()
    user, everyone = Limits("1/minute"), Limits("10/minute")
    checks: list[tuple[str | bytes, Limits]] = [("user:42", user), (b"everyone", everyone)]
    assert [it.allowed for it in limiter.mcheck(checks, now_ms=START)] == [True, True]
    assert [it.allowed for it in limiter.mcheck(checks, now_ms=START)] == [False, True]
    assert limiter.peek("everyone", everyone, now_ms=START).remaining == 9
    assert [it.remaining for it in limiter.mcheck([("a", everyone), (b"a", everyone)], now_ms=START)] == [9, 8]
    assert limiter.mcheck([]) == []


def test_a_text_key_equals_its_utf8_bytes() -> None:
    limiter, limits = LocalLimiter(), Limits("5/hour")
    limiter.check("über", limits)
    assert limiter.check("über".encode(), limits).remaining == 3
    assert limiter.check(b"\xff\x00", limits).remaining == 4
    assert len(limiter) == 2


def test_instances_share_a_limit_and_each_has_at_least_one_unit() -> None:
    limiter = LocalLimiter(instances=4)
    assert limiter.check("a", Limits("10/hour")).limit == 2
    assert limiter.peek("b", Limits("3/hour")).limit == 1
    assert limiter.mcheck([("c", Limits("9/hour"))])[0].limit == 2


def test_refunded_and_reset_units_do_not_count() -> None:
    limiter, limits = LocalLimiter(), Limits("5/hour")
    limiter.check("a", limits, 5, now_ms=START)
    assert limiter.refund("a", 2, now_ms=START) == 2
    assert limiter.peek("a", limits, now_ms=START).remaining == 2
    assert limiter.reset("a", now_ms=START) == 3
    assert limiter.reset("a", now_ms=START) == 0
    limiter.check("a", limits)
    limiter.clear()
    assert len(limiter) == 0


def test_the_clock_advances() -> None:
    limiter, limits = LocalLimiter(), Limits("1/20ms")
    assert limiter.check("a", limits)
    deadline = time.monotonic() + TIMEOUT
    while not limiter.check("a", limits):
        assert time.monotonic() < deadline


def test_memory_is_bounded_and_evictions_are_counted() -> None:
    limiter, limits = LocalLimiter(0), Limits("9/hour")
    assert limiter.max_bytes == 64 << 10
    for number in range(2_000):
        limiter.check(f"user:{number}", limits)
    assert limiter.bytes <= limiter.max_bytes + 8_192
    assert 0 < limiter.evicted < 2_000
    assert LocalLimiter().max_bytes == DEFAULT_MAX_BYTES == 64 << 20


def test_checks_leave_no_memory_behind() -> None:
    limiter, limits = LocalLimiter(), Limits("9/hour")
    for number in range(50_000):
        limiter.check(f"user:{number % 10}", limits)
    gc.collect()
    before = len(gc.get_objects())
    for number in range(50_000):
        limiter.check(f"user:{number % 10}", limits)
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def test_threads_share_one_limit() -> None:
    limiter, limits, allowed = LocalLimiter(), Limits("1000/hour"), []

    def use_it_up() -> None:
        allowed.append(sum(bool(limiter.check("key", limits)) for _ in range(1_000)))

    threads = [threading.Thread(target=use_it_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1_000


@pytest.mark.parametrize("cost", [0, -1, 1_000_001, 2**80])
def test_a_cost_out_of_range_is_rejected(cost: int) -> None:
    limiter, limits = LocalLimiter(), Limits("5/hour")
    for method in (limiter.check, limiter.peek):
        with pytest.raises(ValueError) as error:
            method("a", limits, cost)
        assert str(error.value) == f"a cost must be from 1 to 1000000 units, not {cost}"


def test_a_policy_is_rejected() -> None:
    limiter, limits = LocalLimiter(), Limits.of_policy("login")
    for method in (
        lambda: limiter.check("a", limits),
        lambda: limiter.peek("a", limits),
        lambda: limiter.mcheck([("a", limits)]),
    ):
        with pytest.raises(ValueError) as error:
            method()
        assert str(error.value) == "expected rules, not the policy 'login'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_bytes": -1}, "max_bytes must be 0 or more, not -1"),
        ({"instances": 0}, "instances must be from 1 to 4294967295, not 0"),
        ({"instances": 2**32}, "instances must be from 1 to 4294967295, not 4294967296"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError) as error:
        LocalLimiter(**arguments)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_an_instant_out_of_range_is_rejected() -> None:
    with pytest.raises(ValueError) as error:
        LocalLimiter().check("a", Limits("1/day"), now_ms=-1)
    assert str(error.value) == "now_ms must be from 0 to 281474976710655, not -1"


def test_keys_and_limits_of_other_types_are_type_errors() -> None:
    limiter = LocalLimiter()
    with pytest.raises(TypeError, match="a key must be str or bytes, not <class 'int'>"):
        limiter.check(42, Limits("1/day"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'str' object is not an instance of 'Limits'"):
        limiter.check("a", "1/day")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        limiter.check("a", Limits("1/day"), 1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="surrogates"):
        limiter.check("\ud800", Limits("1/day"))
