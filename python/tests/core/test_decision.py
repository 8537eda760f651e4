from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import Decision, Limits, fallback_decision

ALLOWED = [1, 100, 99, 0, 60_000, 60_000]


def test_a_reply_is_parsed() -> None:
    decision = Decision.from_reply(ALLOWED, "script")
    fields = (decision.limit, decision.remaining, decision.retry_after_ms, decision.reset_after_ms, decision.window_ms)
    assert decision
    assert decision.allowed
    assert fields == (100, 99, 0, 60_000, 60_000)
    assert decision.source == "script"
    assert decision == Decision(True, 100, 99, 0, 60_000, 60_000, "script")
    assert hash(decision) == hash(Decision(True, 100, 99, 0, 60_000, 60_000, "script"))
    assert repr(decision) == (
        "Decision(True, limit=100, remaining=99, retry_after_ms=0, reset_after_ms=60000, window_ms=60000, "
        "source='script')"
    )


def test_a_check_that_never_passes_has_no_retry_after() -> None:
    decision = Decision.from_reply([0, 5, 5, -1, 0, 1_000], "module")
    assert not decision
    assert decision.retry_after_ms is None
    assert "retry_after_ms=None" in repr(decision)
    assert decision == Decision(False, 5, 5, None, 0, 1_000)


def test_the_source_is_part_of_a_decision() -> None:
    assert Decision.from_reply(ALLOWED, "module") != Decision.from_reply(ALLOWED, "local")
    with pytest.raises(ValueError) as error:
        Decision.from_reply(ALLOWED, "server")  # type: ignore[arg-type]
    assert str(error.value) == 'expected one of module, script, local, deny-cache, fallback, not "server"'


class Text(str):  # noqa: SLOT000 # weak references need the dictionary
    """A `str` that can refer to other objects."""


@pytest.mark.parametrize("key", ["ключ", Text("ключ"), "ключ".encode(), bytearray("ключ".encode())])
def test_a_decision_has_its_key_in_bytes(key: str | bytes) -> None:
    expected = "ключ".encode()
    if isinstance(key, bytearray):
        with pytest.raises(TypeError, match="a key must be str or bytes, not <class 'bytearray'>"):
            Decision.from_reply(ALLOWED, "module", key)
        return
    for decision in (
        Decision(True, 100, 99, 0, 60_000, 60_000, "module", key),
        Decision.from_reply(ALLOWED, "module", key),
        Decision.from_reply(ALLOWED, "module", key=key).unenforced(),
        fallback_decision(True, None, 1, 0, key),
    ):
        assert decision.key == expected
        assert type(decision.key) is bytes
        assert repr(decision).endswith(f"source={decision.source!r}, key={expected!r})")


def test_the_key_is_no_part_of_equality() -> None:
    known, other = (Decision.from_reply(ALLOWED, "module", key) for key in ("a", "b"))
    unknown = Decision.from_reply(ALLOWED, "module")
    assert unknown.key is None
    assert "key" not in repr(unknown)
    assert known == other == unknown
    assert len({known, other, unknown}) == 1
    with pytest.raises(AttributeError):
        known.key = b"c"  # type: ignore[misc]


def test_a_decision_keeps_no_object_of_a_subclass() -> None:
    key = Text("k")
    decision = Decision.from_reply(ALLOWED, "module", key)
    reference = weakref.ref(key)
    del key
    gc.collect()
    assert reference() is None
    assert decision.key == b"k"


def test_an_unenforced_decision_is_allowed_and_otherwise_equal() -> None:
    denied = Decision(False, 5, 0, 700, 900, 1_000, "local")
    assert denied.unenforced() == Decision(True, 5, 0, 0, 900, 1_000, "local")
    allowed = Decision(True, 5, 4, 0, 1_000, 1_000)
    assert allowed.unenforced() == allowed


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, 2, "allowed of a decision cannot be 2"),
        (1, -1, "limit of a decision cannot be -1"),
        (2, -1, "remaining of a decision cannot be -1"),
        (3, -2, "retry_after_ms of a decision cannot be -2"),
        (4, -1, "reset_after_ms of a decision cannot be -1"),
        (5, 0, "window_ms of a decision cannot be 0"),
    ],
)
def test_an_integer_out_of_range_is_rejected(index: int, value: int, message: str) -> None:
    reply = ALLOWED.copy()
    reply[index] = value
    with pytest.raises(ValueError) as error:
        Decision.from_reply(reply, "module")
    assert str(error.value) == message


def test_a_negative_retry_after_is_rejected() -> None:
    with pytest.raises(ValueError) as error:
        Decision(False, 5, 0, -1, 900, 1_000)
    assert str(error.value) == "retry_after_ms must be 0 or more, or None"


@given(st.one_of(st.none(), st.integers(), st.text(), st.lists(st.one_of(st.integers(), st.text(), st.binary()))))
def test_an_invalid_reply_is_rejected_with_its_text(reply: object) -> None:
    try:
        decision = Decision.from_reply(reply, "module")
    except ValueError as error:
        is_six = isinstance(reply, list) and len(reply) == 6 and all(isinstance(each, int) for each in reply)
        assert is_six or str(error) == f"expected the six integers of a decision, not {reply!r}"  # noqa: PT017
    else:
        assert isinstance(reply, list)
        assert decision.limit == reply[1]


def test_an_integer_over_64_bits_is_rejected() -> None:
    with pytest.raises(ValueError, match="expected the six integers of a decision"):
        Decision.from_reply([1, 100, 2**64, 0, 60_000, 60_000], "module")


def test_a_fallback_decision_reports_the_first_rule() -> None:
    limits = Limits("10/second; 100/hour")
    assert fallback_decision(True, limits, 3, 5_000) == Decision(True, 10, 7, 0, 1_000, 1_000, "fallback")
    assert fallback_decision(False, limits, 3, 5_000) == Decision(False, 10, 0, 5_000, 5_000, 1_000, "fallback")
    assert fallback_decision(True, None, 3, 5_000) == Decision(True, 3, 0, 0, 1_000, 1_000, "fallback")
    with pytest.raises(ValueError, match="expected rules, not the policy 'login'"):
        fallback_decision(True, Limits.of_policy("login"), 1, 5_000)
    with pytest.raises(ValueError, match="retry_after_ms must be from 0 to"):
        fallback_decision(False, None, 1, -1)
