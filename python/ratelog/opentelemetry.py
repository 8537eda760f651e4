"""Metrics and traces with OpenTelemetry: `instrument(limiter)`."""

from __future__ import annotations

import weakref
from functools import cache
from time import time_ns
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from ._core import Decision, __version__
from .events import CheckCompleted, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Tracer, TracerProvider

    from .base import BaseLimiter
    from .check import Check
    from .events import Event
    from .health import Health

    Attributes = dict[str, str | int | float]

__all__ = ["instrument"]

DURATION_BUCKETS = (
    *(0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
"""Seconds: from a decision in this process to a long `timeout`."""

MAX_POLICIES = 1000
"""A program may compute the names of policies, so the number of names in attributes is bounded."""
OTHER_POLICY = "_OTHER"
"""Stands for the names of further policies."""


def instrument(
    limiter: BaseLimiter,
    *,
    meter_provider: MeterProvider | None = None,
    tracer_provider: TracerProvider | None = None,
    spans: bool = False,
) -> None:
    """Records the metrics of a `RateLimiter` or `SyncRateLimiter`, and describes its decisions in the current span.

    Without arguments, the global providers are used, also those that the program sets later. A second call for the same
    limiter has no effect. No attribute contains a key.

    Args:
        limiter: the limiter.
        meter_provider: receives the metrics.
        tracer_provider: receives the spans of checks. Attributes and events are added to the current span in any case.
        spans: whether each check has a span of its own, `ratelog.check`.
    """
    group = _metrics_of(meter_provider)
    events = limiter._events  # noqa: SLF001 - private to its users, not to this package
    if limiter in _instrumented:
        logger.warning("instrument() was called before for this limiter; this call has no effect")
        return
    _instrumented.add(limiter)
    group.add(limiter)
    tracer = trace.get_tracer("ratelog", __version__, tracer_provider) if spans else None
    events.add_hook(_Recorder(group, tracer))


class _Metrics:
    """The instruments of a meter provider. All limiters share them: a meter has one instrument of each name."""

    def __init__(self, provider: MeterProvider | None) -> None:
        meter = metrics.get_meter("ratelog", __version__, provider)
        # Replaced as a whole: a lock could be held by the thread of an exporter while the process forks.
        self._limiters: tuple[weakref.ref[BaseLimiter], ...] = ()
        self.duration = meter.create_histogram(
            "ratelog.check.duration",
            "s",
            "Duration of checks; those of one request are one measurement.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.checks = meter.create_counter("ratelog.checks", "{check}", "Checks that were decided.")
        # Held, because a meter may refer to them weakly.
        self._observed = (
            meter.create_observable_gauge(
                "ratelog.fallback.active",
                [self._observe(_is_fallback_active, max)],
                "1",
                "1 while the fallback decides because the server is unavailable, otherwise 0.",
            ),
            meter.create_observable_counter(
                "ratelog.unanswered",
                [self._observe(lambda health: health.unanswered, int.__add__)],
                "{check}",
                "Checks that the server did not answer in time while the circuit was closed.",
            ),
            meter.create_observable_gauge(
                "ratelog.problems",
                [self._observe(lambda health: len(health.problems), int.__add__)],
                "{problem}",
                "Mistakes of configuration that were found in the last five minutes.",
            ),
        )

    def add(self, limiter: BaseLimiter) -> None:
        """Observes a limiter until it is garbage."""
        self._limiters = (*(held for held in self._limiters if held() is not None), weakref.ref(limiter))

    def _observe(
        self, measure: Callable[[Health], int], combine: Callable[[int, int], int]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Returns a callback that measures the health of all limiters, combined for each prefix."""

        def callback(_: CallbackOptions) -> Iterable[Observation]:
            values: dict[str, int] = {}
            for held in self._limiters:
                limiter = held()
                if limiter is None:
                    continue
                value = measure(limiter.health())
                prefix = limiter.prefix
                values[prefix] = combine(values[prefix], value) if prefix in values else value
            return [metrics.Observation(value, {"ratelog.prefix": prefix}) for prefix, value in values.items()]

        return callback


class _Recorder:
    """The hook of a limiter."""

    def __init__(self, instruments: _Metrics, tracer: Tracer | None) -> None:
        self._metrics = instruments
        self._tracer = tracer
        self._policies: set[str] = set()
        self._attributes: dict[tuple[str | None, bool, str, str | None], Attributes] = {}

    def __call__(self, event: Event) -> None:
        if not isinstance(event, CheckCompleted):
            return
        decided = [
            (check, decision, self._attributes_of(check, decision, event.errors.get(check)))
            for check, decision in zip(event.checks, event.decisions, strict=True)
            if decision is not None
        ]
        for _, _, attributes in decided:
            self._metrics.checks.add(1, attributes)
        # Of several decisions, the one that a response reports: a denial, otherwise the least that remains.
        check, decision, attributes = min(decided, key=_strictness) if len(decided) > 1 else decided[0]
        self._metrics.duration.record(event.seconds, attributes)
        span = trace.get_current_span()
        if not span.is_recording() and self._tracer is None:
            return
        shown = {**attributes, "ratelog.limit": decision.limit, "ratelog.remaining": decision.remaining}
        if self._tracer is not None:
            now = time_ns()
            start = now - int(event.seconds * 1e9)
            self._tracer.start_span("ratelog.check", attributes=shown, start_time=start).end(now)
        # The error is not the request's: the fallback decided the check.
        shown.pop("error.type", None)
        span.set_attributes(shown)
        if not decision.allowed:
            span.add_event("ratelog.denied", _denial(check, decision))

    def _attributes_of(self, check: Check, decision: Decision, error: str | None) -> Attributes:
        policy = check.limits.policy
        if policy is not None and policy not in self._policies:
            if len(self._policies) < MAX_POLICIES:
                self._policies.add(policy)
            else:
                policy = OTHER_POLICY
        known = (policy, decision.allowed, decision.source, error)
        attributes = self._attributes.get(known)
        if attributes is None:
            attributes = {
                "ratelog.result": "allowed" if decision.allowed else "denied",
                "ratelog.source": decision.source,
            }
            if policy is not None:
                attributes["ratelog.policy"] = policy
            if error is not None:
                attributes["error.type"] = error
            self._attributes[known] = attributes
        return attributes


_instrumented: weakref.WeakSet[BaseLimiter] = weakref.WeakSet()


@cache
def _metrics_of(provider: MeterProvider | None) -> _Metrics:
    return _Metrics(provider)


def _is_fallback_active(health: Health) -> int:
    # A limiter that has not connected yet is not in use yet.
    return int(health.state != "closed" and health.last_error is not None)


def _strictness(decided: tuple[Check, Decision, Attributes]) -> tuple[bool, int]:
    decision = decided[1]
    return decision.allowed, decision.remaining


def _denial(check: Check, decision: Decision) -> Attributes:
    attributes: Attributes = {"ratelog.limit": decision.limit, "ratelog.window": decision.window_ms / 1000}
    if check.limits.policy is not None:
        attributes["ratelog.policy"] = check.limits.policy
    if decision.retry_after_ms is not None:
        attributes["ratelog.retry_after"] = decision.retry_after_ms / 1000
    return attributes
