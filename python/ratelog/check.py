"""The input of a check: a key, its limits and a cost."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ._core import Decision, Limits

LimitsLike = Limits | str
"""`Limits`, or rules as text such as `10/second; 1000/hour`."""

MAX_COST = 1_000_000
EXCESSIVE_COST = MAX_COST + 1
"""A cost that exceeds every limit."""


class Check(NamedTuple):
    """A check of `cost` units of `key` under `limits`.

    A cost of 0 is checked like a cost of 1, but not recorded. A cost over `MAX_COST` is always denied.
    """

    key: bytes
    limits: Limits
    cost: int = 1

    @property
    def is_recorded(self) -> bool:
        """Whether the units are recorded if the check is allowed."""
        return 1 <= self.cost <= MAX_COST

    @property
    def valid_cost(self) -> int:
        """The cost within the bounds of a command."""
        return min(max(self.cost, 1), MAX_COST)


@lru_cache(maxsize=1024)
def _parse_limits(rules: str) -> Limits:
    return Limits(rules)


def to_limits(limits: LimitsLike) -> Limits:
    """Converts to `Limits`.

    Raises:
        ValueError: the text does not parse; the message shows it with a caret.
        TypeError: the value is neither a `str` nor `Limits`.
    """
    if isinstance(limits, Limits):
        return limits
    if isinstance(limits, str):
        return _parse_limits(limits)
    raise TypeError(f"limits must be a str such as '100/minute', or Limits, not {type(limits).__name__}")


def to_key(key: str | bytes) -> bytes:
    """Converts a key to the bytes that the server stores."""
    if isinstance(key, str):
        return key.encode()
    if isinstance(key, bytes):
        return key
    raise TypeError(f"a key must be str or bytes, not {type(key).__name__}")


def with_prefix(prefix: str, key: bytes) -> bytes:
    """Returns the Redis key for a key of the program. Without a prefix, they are equal."""
    return b"%b:%b" % (prefix.encode(), key) if prefix else key


def to_cost(cost: int) -> int:
    """Returns a valid cost.

    Raises:
        ValueError: the cost is not an integer from 1 to 1,000,000.
    """
    if type(cost) is not int or not 1 <= cost <= MAX_COST:
        raise ValueError(f"a cost must be an integer from 1 to {MAX_COST:,}, not {cost!r}")
    return cost


def to_check(key: str | bytes, limits: LimitsLike, cost: int = 1) -> Check:
    """Builds a check from a caller's arguments."""
    return Check(to_key(key), to_limits(limits), to_cost(cost))


def has_recorded(check: Check, decision: Decision) -> bool:
    """Whether a check has recorded units, which can be taken back.

    An override, a shadow policy and a fixed fallback allow checks that record nothing. Units that were just recorded
    stay for the whole window.
    """
    is_recorder = check.is_recorded and decision.source in ("module", "script", "local")
    return is_recorder and decision.allowed and decision.reset_after_ms >= decision.window_ms


def unrecorded(decision: Decision, cost: int) -> Decision:
    """Returns an allowed decision as it would be if its units had not been recorded."""
    remaining = min(decision.limit, decision.remaining + cost)
    reset_after_ms, window_ms = decision.reset_after_ms, decision.window_ms
    return Decision(True, decision.limit, remaining, 0, reset_after_ms, window_ms, decision.source, decision.key)


def empty(decision: Decision) -> Decision:
    """Returns an allowed decision as it would be for a key without units."""
    return Decision(True, decision.limit, decision.limit, 0, 0, decision.window_ms, decision.source, decision.key)


def with_excessive_cost(decision: Decision) -> Decision:
    """Returns the decision of a check whose cost exceeds every limit, given that of a check of `MAX_COST`."""
    if not decision.allowed or decision.limit < MAX_COST:
        # A smaller limit was exceeded already, unless an override or a shadow policy allows everything.
        return decision
    reset_after_ms, window_ms = decision.reset_after_ms, decision.window_ms
    remaining = decision.remaining
    return Decision(False, decision.limit, remaining, None, reset_after_ms, window_ms, decision.source, decision.key)
