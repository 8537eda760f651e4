"""Attempts and waits on a simulated clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import RetryHint, RetryPolicy
from ratelog.retry.attempts import SEND, CloseResponse, Headers, RequestInfo, RetryConfig, Sleep
from ratelog.retry.throttle import Throttles

Answer = tuple[int, Headers]


class NetworkError(Exception):
    pass


class OtherError(Exception):
    pass


@dataclass
class Simulation:
    """A simulated clock and a server with given responses."""

    now: float = 1000.0
    closed: list[Answer] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)

    def read_response(self, response: Answer) -> Answer:
        return response

    def may_have_arrived(self, error: BaseException) -> bool | None:
        return {"lost": True, "not connected": False}.get(str(error)) if isinstance(error, NetworkError) else None

    def run(
        self,
        request: RequestInfo,
        *answers: Answer | Exception,
        throttles: Throttles | None = None,
        uses_all: bool = True,
        **options: Any,
    ) -> Answer:
        """Runs a request to its result. Each attempt takes a second. With `uses_all`, all answers must be used."""
        config = RetryConfig(**options, monotonic=lambda: self.now, time=lambda: self.now)
        attempts = config.attempts(
            request, self, (Throttles(Event) if throttles is None else throttles).get(request.origin)
        )
        left = list(answers)
        try:
            step = next(attempts)
            while True:
                if step is SEND:
                    self.sent_at.append(self.now)
                    self.now += 1
                    answer = left.pop(0)
                    step = attempts.throw(answer) if isinstance(answer, Exception) else attempts.send(answer)
                    continue
                if isinstance(step, Sleep):
                    self.now += step.seconds
                elif isinstance(step, CloseResponse):
                    self.closed.append(step.response)
                step = next(attempts)
        except StopIteration as stop:
            assert not (left and uses_all), "there were unused answers"
            answer = stop.value
            assert isinstance(answer, tuple)
            return answer


def request_info(method: str = "GET", *, replayable: bool = True, idempotent: bool | None = None) -> RequestInfo:
    return RequestInfo(method, [], "http://example.com", replayable, idempotent)


def denied(*fields: tuple[str, str], status: int = 429) -> Answer:
    return status, [(name.encode(), value.encode()) for name, value in fields]


OK: Answer = (200, [])
NO_JITTER = RetryPolicy(base=0.001)


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        ([("retry-after", "7"), ("ratelimit", '"a";r=0;t=3')], 7),
        ([("ratelimit", '"a";r=0;t=3')], 3),
        ([("retry-after", "soon"), ("ratelimit", '"a";r=0;t=3')], 3),
        ([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4")], 4),
    ],
)
def test_a_denied_request_is_retried_after_the_wait_in_its_headers(fields: list[tuple[str, str]], waits: float) -> None:
    simulation = Simulation()
    assert simulation.run(request_info(), denied(*fields), OK, policy=NO_JITTER) == OK
    waited = simulation.sent_at[1] - simulation.sent_at[0] - 1
    assert waits <= waited <= waits * 1.2 + 0.2
    assert simulation.closed == [denied(*fields)]


def test_waits_grow_without_headers() -> None:
    simulation = Simulation()
    policy = RetryPolicy(base=1, factor=4, max_single_wait=120, max_total=600)
    simulation.run(request_info(), *[denied(status=503)] * 3, OK, policy=policy)
    gaps = [later - earlier - 1 for earlier, later in zip(simulation.sent_at, simulation.sent_at[1:], strict=False)]
    for least, gap in zip([1, 4, 16], gaps, strict=True):
        assert least <= gap <= least * 2


def test_attempts_are_bounded_and_the_last_response_stays_open() -> None:
    simulation = Simulation()
    last = denied(("retry-after", "1"))
    assert simulation.run(request_info(), last, last, policy=RetryPolicy(max_attempts=2)) == last
    assert simulation.closed == [last]
    assert (
        Simulation().run(request_info(), denied(("retry-after", "11")), policy=RetryPolicy(max_single_wait=10))[0]
        == 429
    )


@pytest.mark.parametrize(
    ("request_", "answer", "attempts"),
    [
        (request_info("POST"), denied(("retry-after", "1")), 2),
        (request_info("POST"), denied(status=503), 1),
        (request_info("POST"), NetworkError("not connected"), 2),
        (request_info("PUT"), denied(status=503), 2),
        (request_info("PUT", idempotent=False), denied(("retry-after", "1")), 1),
        (request_info("POST", idempotent=True), denied(status=503), 2),
        (request_info("PUT", replayable=False), denied(("retry-after", "1")), 1),
        (request_info("PUT"), (404, []), 1),
    ],
)
def test_only_repeatable_requests_are_retried(request_: RequestInfo, answer: Answer | Exception, attempts: int) -> None:
    simulation = Simulation()
    simulation.run(request_, answer, *[OK] * (attempts - 1), policy=NO_JITTER)
    assert len(simulation.sent_at) == attempts


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (request_info("POST"), NetworkError("lost")),
        (request_info("GET", replayable=False), NetworkError("lost")),
        (request_info(), OtherError("whatever")),
    ],
)
def test_an_error_without_a_retry_is_raised(request_: RequestInfo, error: Exception) -> None:
    with pytest.raises(type(error)):
        Simulation().run(request_, error)


def test_a_lost_idempotent_request_is_retried() -> None:
    assert Simulation().run(request_info(), NetworkError("lost"), OK, policy=NO_JITTER) == OK


def test_a_request_is_held_back_while_the_quota_is_exhausted() -> None:
    simulation, throttles = Simulation(), Throttles(Event)
    exhausted: Answer = (200, [(b"ratelimit", b'"a";r=0;t=5')])
    simulation.run(request_info(), exhausted, throttles=throttles)
    simulation.run(request_info(), OK, throttles=throttles)
    assert 5 <= simulation.sent_at[1] - simulation.sent_at[0] - 1 <= 6


def test_a_denial_holds_back_later_requests() -> None:
    simulation, throttles = Simulation(), Throttles(Event)
    simulation.run(
        request_info(), denied(("retry-after", "5")), throttles=throttles, policy=RetryPolicy(max_attempts=1)
    )
    simulation.run(request_info(), OK, throttles=throttles)
    assert 5 <= simulation.sent_at[1] - simulation.sent_at[0] - 1 <= 6


def test_no_request_is_held_back_longer_than_max_wait() -> None:
    simulation, throttles = Simulation(), Throttles(Event)
    simulation.run(request_info(), (200, [(b"ratelimit", b'"a";r=0;t=500')]), throttles=throttles)
    simulation.run(request_info(), OK, throttles=throttles, max_wait=3)
    assert simulation.sent_at[1] - simulation.sent_at[0] - 1 <= 3


def test_a_wait_longer_than_max_wait_does_not_hide_a_shorter_one() -> None:
    for waits in (500, 5), (5, 500):
        simulation, throttles = Simulation(), Throttles(Event)
        throttle = throttles.get(request_info().origin)
        for seconds in waits:
            hint = RetryHint.from_headers([(b"ratelimit", f'"a";r=0;t={seconds}'.encode())], simulation.now)
            throttle.on_response(False, hint, simulation.now, 60)
        began = simulation.now
        simulation.run(request_info(), OK, throttles=throttles)
        assert 5 <= simulation.sent_at[0] - began <= 6


def test_attempts_share_max_wait() -> None:
    throttles = Throttles(Event)
    exhausted = denied(("ratelimit", '"a";r=0;t=20'), status=200)

    class Crowded(Simulation):
        def may_have_arrived(self, error: BaseException) -> bool:
            """The request is lost while the response to another reports an exhausted quota."""
            throttles.get(request_info().origin).on_response(
                False, RetryHint.from_headers(exhausted[1], self.now), self.now, 30
            )
            return True

    simulation = Crowded()
    simulation.run(request_info(), exhausted, throttles=throttles)
    simulation.run(request_info(), NetworkError("lost"), OK, throttles=throttles, max_wait=30, policy=NO_JITTER)
    first, second = (
        later - earlier - 1 for earlier, later in zip(simulation.sent_at, simulation.sent_at[1:], strict=False)
    )
    assert 20 <= first <= 30
    assert second <= 10.1


def test_the_number_of_throttles_is_bounded() -> None:
    throttles = Throttles(Event, max_size=8)
    first = throttles.get("0")
    for name in range(100):
        throttles.get("0")
        throttles.get(str(name))
    assert len(throttles) == 8
    assert throttles.get("0") is first


@given(
    st.integers(200, 599),
    st.lists(
        st.tuples(
            st.sampled_from([b"retry-after", b"ratelimit", b"x-ratelimit-remaining", b"x-ratelimit-reset", b"date"]),
            st.one_of(
                st.binary(max_size=40),
                st.text('"abqrtw=;,. -+0123456789', max_size=40).map(str.encode),
                st.integers(-9, 10**20).map(lambda seconds: str(seconds).encode()),
            ),
        ),
        max_size=6,
    ),
    st.sampled_from(["GET", "POST"]),
)
def test_any_headers_keep_waits_within_their_bounds(status: int, fields: Headers, method: str) -> None:
    simulation, throttles = Simulation(), Throttles(Event)
    answer = (status, fields)
    policy = RetryPolicy(max_attempts=3, max_total=40, max_single_wait=15)
    for _ in range(2):
        began = simulation.now
        outcome = simulation.run(
            request_info(method),
            answer,
            answer,
            answer,
            throttles=throttles,
            policy=policy,
            max_wait=20,
            uses_all=False,
        )
        assert outcome == answer
        attempts = len(simulation.sent_at)
        # An attempt is held back for at most max_wait and takes a second. No wait ends after more than 40 seconds.
        assert simulation.now - began <= 40 + 21
        assert attempts <= 3
        simulation.sent_at.clear()


@pytest.mark.parametrize("seconds", [-1.0, math.nan])
def test_an_invalid_max_wait_is_rejected(seconds: float) -> None:
    with pytest.raises(ValueError, match="max_wait must be seconds, 0 or more, not"):
        RetryConfig(max_wait=seconds)


class Event:
    def set(self) -> None:
        """Does nothing: no other request waits."""
