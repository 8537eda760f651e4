"""The shared table of rules as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratelog import Limits
from support.server import ROOT

TABLE = json.loads((ROOT / "tests/rules_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "canonical"), TABLE["accept"])
def test_accepted_texts_have_their_canonical_form(text: str, canonical: str) -> None:
    limits = Limits(text)
    assert str(limits) == canonical
    assert Limits(canonical) == limits


@pytest.mark.parametrize("case", TABLE["reject"], ids=lambda case: case["text"])
def test_rejected_texts_have_their_error(case: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as raised:
        Limits(case["text"])
    assert str(raised.value).split("\n") == case["error"]
