from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from ratelog._core import Decision, DenyCache, Limits

if TYPE_CHECKING:
    from ratelog._core import Source

LIMITS = Limits("1/hour")
DENIED = Decision(False, 1, 0, 3_600_000, 3_600_000, 3_600_000)


def is_cached(deny_cache: DenyCache, key: bytes = b"k", limits: Limits = LIMITS, cost: int = 1) -> bool:
    return deny_cache.get(key, limits, cost) is not None


def test_a_cached_denial_answers_the_same_check_only() -> None:
    deny_cache = DenyCache(10)
    deny_cache.insert(b"k", LIMITS, 1, DENIED, deny_cache.version(b"k"))
    cached = deny_cache.get(b"k", Limits("1/hour", names=["other"]), 1)
    assert cached is not None
    assert not cached
    assert (cached.source, cached.key) == ("deny-cache", b"k")
    assert 3_590_000 < (cached.retry_after_ms or 0) <= 3_600_000
    assert not is_cached(deny_cache, key=b"other")
    assert not is_cached(deny_cache, limits=Limits("2/hour"))
    assert not is_cached(deny_cache, limits=Limits.of_policy("hourly"))
    assert not is_cached(deny_cache, cost=2)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("module", True), ("script", True), ("local", False), ("deny-cache", False), ("fallback", False)],
)
def test_only_denials_of_a_server_are_cached(source: Source, expected: bool) -> None:
    deny_cache = DenyCache(10)
    decision = Decision(False, 1, 0, 9_000, 9_000, 9_000, source)
    deny_cache.insert(b"k", LIMITS, 1, decision, deny_cache.version(b"k"))
    assert is_cached(deny_cache) is expected


def test_allowed_checks_and_permanent_denials_are_not_cached() -> None:
    deny_cache = DenyCache(10)
    for decision in (Decision(True, 1, 0, 0, 9_000, 9_000), Decision(False, 1, 1, None, 0, 9_000)):
        deny_cache.insert(b"k", LIMITS, 1, decision, deny_cache.version(b"k"))
        assert not is_cached(deny_cache)


def test_a_denial_from_before_an_invalidation_is_not_cached() -> None:
    deny_cache = DenyCache(10)
    for invalidate in (partial(deny_cache.invalidate, b"k"), deny_cache.invalidate_all):
        deny_cache.insert(b"k", LIMITS, 1, DENIED, deny_cache.version(b"k"))
        version = deny_cache.version(b"k")
        invalidate()
        assert not is_cached(deny_cache)
        deny_cache.insert(b"k", LIMITS, 1, DENIED, version)
        assert not is_cached(deny_cache)


def test_only_one_fetch_of_a_key_is_in_progress() -> None:
    deny_cache = DenyCache(10)
    assert deny_cache.begin_fetch(b"k", LIMITS, 1)
    assert not deny_cache.begin_fetch(b"k", LIMITS, 1)
    deny_cache.end_fetch(b"k")
    assert deny_cache.begin_fetch(b"k", LIMITS, 1)
    deny_cache.insert(b"k", LIMITS, 1, DENIED, deny_cache.version(b"k"))
    assert is_cached(deny_cache)
    deny_cache.end_fetch(b"k")
    assert is_cached(deny_cache)


def test_the_capacity_is_respected() -> None:
    deny_cache = DenyCache(100)
    for number in range(1_000):
        key = b"%d" % number
        deny_cache.insert(key, LIMITS, 1, DENIED, deny_cache.version(key))
    assert sum(is_cached(deny_cache, key=b"%d" % number) for number in range(1_000)) <= 100


def test_a_negative_capacity_is_rejected() -> None:
    with pytest.raises(ValueError, match="capacity must be from 0 to 9223372036854775807, not -1"):
        DenyCache(-1)
