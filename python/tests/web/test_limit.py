"""Limits on requests, as a program declares them."""

from __future__ import annotations

from typing import Any

import pytest

from ratelog import RateLimiter


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((), "at least one rule"),
        (({},), "at least one plan"),
        (("5/minute", {"pro": "5/minute"}), "must all be text"),
        (("5/fortnight",), "fortnight"),
        ((5,), "limits must be a str"),
    ],
)
def test_invalid_limits_are_rejected_at_declaration(limits: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        RateLimiter("memory://")(*limits)


@pytest.mark.parametrize("cost", [0, -1, 1_000_001, True, 1.5])
def test_an_invalid_cost_is_rejected_at_declaration(cost: Any) -> None:
    with pytest.raises(ValueError, match="a cost must be an integer"):
        RateLimiter("memory://")("5/minute", cost=cost)
