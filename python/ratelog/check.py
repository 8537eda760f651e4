"""One check: what is asked of a limiter."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ._core import Limits

LimitsLike = Limits | str
"""Rules as text, such as `10/second; 1000/hour`, or `Limits`."""

MAX_COST = 1_000_000


class Check(NamedTuple):
    """`cost` units of `key`, under `limits`."""

    key: bytes
    limits: Limits
    cost: int = 1


@lru_cache(maxsize=1024)
def _parsed(rules: str) -> Limits:
    return Limits(rules)


def limits_of(limits: LimitsLike) -> Limits:
    """`limits` as `Limits`.

    Raises:
        ValueError: the text is no rules; it is shown with a caret below the place.
        TypeError: neither a `str` nor `Limits`.
    """
    if isinstance(limits, Limits):
        return limits
    if isinstance(limits, str):
        return _parsed(limits)
    raise TypeError(f"limits are a str such as '100/minute', or Limits, not {type(limits).__name__}")


def key_of(key: str | bytes) -> bytes:
    """A key as the bytes that the server sees."""
    if isinstance(key, str):
        return key.encode()
    if isinstance(key, bytes):
        return key
    raise TypeError(f"a key is str or bytes, not {type(key).__name__}")


def cost_of(cost: int) -> int:
    """`cost` if it is one.

    Raises:
        ValueError: it is not from 1 to 1,000,000.
    """
    if type(cost) is not int or not 1 <= cost <= MAX_COST:
        raise ValueError(f"a cost is a whole number from 1 to {MAX_COST:,}, not {cost!r}")
    return cost


def check_of(key: str | bytes, limits: LimitsLike, cost: int = 1) -> Check:
    """A check of what a caller gave."""
    return Check(key_of(key), limits_of(limits), cost_of(cost))
