from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from ratelog._core import Decision, Denials, Limits

if TYPE_CHECKING:
    from ratelog._core import Source

LIMITS = Limits("1/hour")
DENIED = Decision(False, 1, 0, 3_600_000, 3_600_000, 3_600_000)


def held(denials: Denials, key: bytes = b"k", limits: Limits = LIMITS, cost: int = 1) -> bool:
    return denials.get(key, limits, cost) is not None


def test_a_denial_answers_the_same_check_and_no_other() -> None:
    denials = Denials(10)
    denials.put(b"k", LIMITS, 1, DENIED, denials.ticket(b"k"))
    cached = denials.get(b"k", Limits("1/hour", names=["other"]), 1)
    assert cached is not None
    assert not cached
    assert cached.source == "deny-cache"
    assert 3_590_000 < (cached.retry_after_ms or 0) <= 3_600_000
    assert not held(denials, key=b"other")
    assert not held(denials, limits=Limits("2/hour"))
    assert not held(denials, limits=Limits.of_policy("hourly"))
    assert not held(denials, cost=2)


@pytest.mark.parametrize(
    ("source", "kept"),
    [("module", True), ("script", True), ("local", False), ("deny-cache", False), ("fallback", False)],
)
def test_only_what_a_server_denied_is_kept(source: Source, kept: bool) -> None:
    denials = Denials(10)
    decision = Decision(False, 1, 0, 9_000, 9_000, 9_000, source)
    denials.put(b"k", LIMITS, 1, decision, denials.ticket(b"k"))
    assert held(denials) is kept


def test_what_is_allowed_or_never_passes_is_not_kept() -> None:
    denials = Denials(10)
    for decision in (Decision(True, 1, 0, 0, 9_000, 9_000), Decision(False, 1, 1, None, 0, 9_000)):
        denials.put(b"k", LIMITS, 1, decision, denials.ticket(b"k"))
        assert not held(denials)


def test_a_denial_from_before_its_key_was_forgotten_is_not_kept() -> None:
    denials = Denials(10)
    for forget in (partial(denials.forget, b"k"), denials.forget_all):
        denials.put(b"k", LIMITS, 1, DENIED, denials.ticket(b"k"))
        ticket = denials.ticket(b"k")
        forget()
        assert not held(denials)
        denials.put(b"k", LIMITS, 1, DENIED, ticket)
        assert not held(denials)


def test_one_at_a_time_asks_about_a_key() -> None:
    denials = Denials(10)
    assert denials.claim(b"k", LIMITS, 1)
    assert not denials.claim(b"k", LIMITS, 1)
    denials.settle(b"k")
    assert denials.claim(b"k", LIMITS, 1)
    denials.put(b"k", LIMITS, 1, DENIED, denials.ticket(b"k"))
    assert held(denials)
    denials.settle(b"k")
    assert held(denials)


def test_no_more_keys_are_held_than_it_has_room_for() -> None:
    denials = Denials(100)
    for number in range(1_000):
        key = b"%d" % number
        denials.put(key, LIMITS, 1, DENIED, denials.ticket(key))
    assert sum(held(denials, key=b"%d" % number) for number in range(1_000)) <= 100


def test_a_capacity_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity is from 0 to 9223372036854775807, not -1"):
        Denials(-1)
