"""The arguments of a check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ratelog import Check, Decision, Limits
from ratelog.check import MAX_COST, has_recorded, unrecorded, with_excessive_cost

if TYPE_CHECKING:
    from ratelog._core import Source
    from support.server import Server
    from support.types import Open


def test_a_changed_decision_keeps_its_key() -> None:
    decision = Decision(True, MAX_COST, 7, 0, 900, 1_000, "module", b"k")
    for changed in (unrecorded(decision, 3), with_excessive_cost(decision)):
        assert changed != decision
        assert changed.key == b"k"


@pytest.mark.parametrize(
    ("cost", "allowed", "source", "reset_after_ms", "expected"),
    [
        (2, True, "module", 1_000, True),
        (2, True, "local", 1_000, True),
        (0, True, "module", 1_000, False),
        (2, False, "module", 1_000, False),
        (2, True, "fallback", 1_000, False),
        # An override or a shadow policy allowed it.
        (2, True, "script", 999, False),
    ],
)
def test_only_units_that_were_just_recorded_can_be_taken_back(
    cost: int, allowed: bool, source: Source, reset_after_ms: int, expected: bool
) -> None:
    decision = Decision(allowed, 9, 5, 0, reset_after_ms, 1_000, source)
    assert has_recorded(Check(b"k", Limits("9/second"), cost), decision) is expected


async def test_keys_are_bytes_or_text(server: Server, open_limiter: Open) -> None:
    limiter = open_limiter(server.url)
    await limiter.check("ключ", "3/minute")
    assert (await limiter.check("ключ".encode(), Limits("3/minute"))).remaining == 1
    await limiter.check(b"\xff\x00", "3/minute")
    assert set(server.db().keys("*")) == {"ключ".encode(), b"\xff\x00"}


@pytest.mark.parametrize(
    ("question", "error", "text"),
    [
        (("k", "5/fortnight", 1), ValueError, "fortnight"),
        (("k", 5, 1), TypeError, "limits must be a str such as '100/minute', or Limits, not int"),
        ((5, "5/minute", 1), TypeError, "a key must be str or bytes, not int"),
        (("k", "5/minute", 0), ValueError, "a cost must be an integer from 1 to 1,000,000, not 0"),
        (("k", "5/minute", True), ValueError, "a cost must be an integer from 1 to 1,000,000, not True"),
        (("k", "5/minute", 1_000_001), ValueError, "a cost must be an integer from 1 to 1,000,000, not 1000001"),
        (("\ud800", "5/minute", 1), ValueError, "surrogates not allowed"),
    ],
)
async def test_invalid_arguments_are_rejected(
    open_limiter: Open, question: tuple[str, str, int], error: type[Exception], text: str
) -> None:
    limiter = open_limiter("redis://192.0.2.1/", connect_timeout=0.001)
    key, limits, cost = question
    for operation in (limiter.check, limiter.peek):
        with pytest.raises(error) as raised:
            await operation(key, limits, cost)
        assert text in str(raised.value)
    with pytest.raises(error):
        await limiter.mcheck([(key, limits)], cost)
    with pytest.raises(ValueError, match=r"^mcheck needs at least one key$"):
        await limiter.mcheck([])
