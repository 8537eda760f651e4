"""Metrics and traces with OpenTelemetry."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI

from ratelog import Limits, RateLimiter, SyncRateLimiter
from ratelog import opentelemetry as module
from support.asgi import statuses
from support.telemetry import Telemetry
from support.wait import TIME_FACTOR, until

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from support.server import Server
    from support.types import Open, Start

GOLD = Limits.of_policy("gold")


async def test_checks_are_counted_by_policy_result_and_source(server: Server, open_limiter: Open) -> None:
    telemetry = Telemetry()
    server.db().execute_command("RL.POLICY", "SET", "gold", 1, "1h")
    limiter = open_limiter(server.url)
    telemetry.instrument(limiter.limiter)
    for _ in range(3):
        await limiter.check("k", GOLD)
    await limiter.check("k", "9/hour")
    await limiter.peek("k", "9/hour")
    expected = {
        "policy=gold result=allowed source=module": 1,
        "policy=gold result=denied source=module": 2,
        "result=allowed source=module": 1,
    }
    assert telemetry.values("ratelog.checks") == expected
    assert telemetry.values("ratelog.check.duration") == expected


async def test_checks_of_several_keys_are_one_measurement_under_the_strictest_decision(open_limiter: Open) -> None:
    telemetry = Telemetry()
    limiter = open_limiter("memory://")
    telemetry.instrument(limiter.limiter)
    await limiter.check("b", "1/minute")
    with telemetry.tracer.start_as_current_span("request"):
        await limiter.mcheck([("a", "5/minute"), ("b", "1/minute"), ("c", "2/minute")])
    with telemetry.tracer.start_as_current_span("request"):
        await limiter.mcheck([("a", "5/minute"), ("c", "2/minute")])
    assert telemetry.values("ratelog.checks") == {"result=allowed source=local": 5, "result=denied source=local": 1}
    assert telemetry.values("ratelog.check.duration") == {
        "result=allowed source=local": 2,
        "result=denied source=local": 1,
    }
    spans = [dict(span.attributes or {}) for span in telemetry.spans("request")]
    assert [(span["ratelog.limit"], span["ratelog.remaining"]) for span in spans] == [(1, 0), (2, 1)]


async def test_the_duration_has_boundaries_from_microseconds_to_seconds(open_limiter: Open) -> None:
    telemetry = Telemetry()
    limiter = open_limiter("memory://")
    telemetry.instrument(limiter.limiter)
    await limiter.check("k", "9/minute")
    (point,) = telemetry.points("ratelog.check.duration")
    assert tuple(point.explicit_bounds) == module.DURATION_BUCKETS
    assert 0 < point.sum < 60
    assert (min(point.explicit_bounds), max(point.explicit_bounds)) == (0.00005, 2.5)


async def test_no_metric_and_no_span_contains_a_key(open_limiter: Open) -> None:
    telemetry = Telemetry()
    limiter = open_limiter("memory://")
    telemetry.instrument(limiter.limiter, spans=True)
    with telemetry.tracer.start_as_current_span("request"):
        for _ in range(2):
            await limiter.check("user:secret", "1/minute")
    data = telemetry.reader.get_metrics_data()
    assert data is not None
    texts = [
        data.to_json(),
        *(span.to_json() for name in ("request", "ratelog.check") for span in telemetry.spans(name)),
    ]
    assert len(texts) == 4
    assert "ratelog.checks" in texts[0]
    assert not [text for text in texts if "secret" in text]


async def test_a_cached_denial_is_a_source_of_its_own(server: Server, open_limiter: Open) -> None:
    telemetry = Telemetry()
    limiter = open_limiter(server.url, deny_cache=9)
    telemetry.instrument(limiter.limiter)

    async def is_cached() -> bool:
        return bool((await limiter.check("k", "1/hour")).source == "deny-cache")

    await until("the denial is cached", is_cached)
    assert telemetry.values("ratelog.checks")["result=denied source=deny-cache"] == 1


async def test_an_outage_is_a_gauge_and_the_error_of_checks(start: Start, open_limiter: Open) -> None:
    telemetry = Telemetry()
    server = start()
    limiter = open_limiter(server.url, prefix="shop")
    telemetry.instrument(limiter.limiter)
    # The circuit is open until the first connection, which is no outage.
    assert limiter.health().state == "open"
    assert telemetry.values("ratelog.fallback.active") == {"prefix=shop": 0}
    await limiter.check("k", "9/hour")
    assert telemetry.values("ratelog.fallback.active") == {"prefix=shop": 0}
    server.kill()
    for _ in range(3):
        await limiter.check("k", "9/hour")
    assert telemetry.values("ratelog.fallback.active") == {"prefix=shop": 1}
    checks = telemetry.values("ratelog.checks")
    assert checks["result=allowed source=module"] == 1
    assert checks["error.type=circuit_open result=allowed source=local"] >= 2
    server.restart()
    await limiter.until_closed()
    assert telemetry.values("ratelog.fallback.active") == {"prefix=shop": 0}


async def test_a_check_without_an_answer_has_the_error_and_is_counted(start: Start, open_limiter: Open) -> None:
    telemetry = Telemetry()
    server = start()
    limiter = open_limiter(server.url, timeout=0.2 * TIME_FACTOR, failure_threshold=1000)
    telemetry.instrument(limiter.limiter)
    assert await limiter.source() == "module"
    server.pause()
    assert await limiter.source() == "local"
    unanswered = limiter.health().unanswered
    assert unanswered == 1
    assert telemetry.values("ratelog.unanswered") == {"prefix=": unanswered}
    (attributes,) = [
        point.attributes for point in telemetry.points("ratelog.checks") if "error.type" in point.attributes
    ]
    assert attributes["error.type"].endswith("TimeoutError")
    assert attributes["ratelog.source"] == "local"
    server.resume()


async def test_the_fixed_fallback_is_a_source(open_limiter: Open) -> None:
    telemetry = Telemetry()
    limiter = open_limiter("redis://127.0.0.1:1", fallback="deny")
    telemetry.instrument(limiter.limiter)
    assert not await limiter.check("k", "9/hour")
    assert telemetry.values("ratelog.checks") == {"error.type=circuit_open result=denied source=fallback": 1}


async def test_limiters_with_one_provider_are_observed_by_prefix(start: Start, open_limiter: Open) -> None:
    telemetry = Telemetry()
    server = start()
    server.kill()
    limiters = [
        open_limiter("memory://", prefix="shop"),
        open_limiter(server.url, prefix="shop"),
        open_limiter("memory://", prefix="blog"),
    ]
    for limiter in limiters:
        telemetry.instrument(limiter.limiter)
        await limiter.check("k", "9/hour")
    await until("a probe has failed", lambda: limiters[1].health().last_error is not None)
    assert telemetry.values("ratelog.fallback.active") == {"prefix=shop": 1, "prefix=blog": 0}
    assert sum(telemetry.values("ratelog.checks").values()) == 3


def test_a_limiter_that_is_garbage_is_no_longer_observed() -> None:
    telemetry = Telemetry()
    limiter = SyncRateLimiter("memory://", prefix="shop")
    telemetry.instrument(limiter)
    assert telemetry.values("ratelog.problems") == {"prefix=shop": 0}
    del limiter
    gc.collect()
    assert telemetry.values("ratelog.problems") == {}


async def test_a_second_call_has_no_effect(open_limiter: Open, caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry()
    limiter = open_limiter("memory://")
    telemetry.instrument(limiter.limiter)
    telemetry.instrument(limiter.limiter)
    assert [record.getMessage() for record in caplog.records] == [
        "instrument() was called before for this limiter; this call has no effect"
    ]
    await limiter.check("k", "9/minute")
    assert telemetry.values("ratelog.checks") == {"result=allowed source=local": 1}


async def test_the_number_of_policy_names_is_bounded(open_limiter: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_POLICIES", 2)
    telemetry = Telemetry()
    limiter = open_limiter("memory://", policies=dict.fromkeys("abcd", "9/minute"))
    telemetry.instrument(limiter.limiter)
    for name in "abcda":
        await limiter.check("k", Limits.of_policy(name))
    assert telemetry.values("ratelog.checks") == {
        "policy=a result=allowed source=local": 2,
        "policy=b result=allowed source=local": 1,
        "policy=_OTHER result=allowed source=local": 2,
    }


async def test_hooks_of_the_program_still_receive_events(open_limiter: Open) -> None:
    events: list[object] = []
    telemetry = Telemetry()
    limiter = open_limiter("memory://", hooks=[events.append])
    telemetry.instrument(limiter.limiter)
    await limiter.check("k", "9/minute")
    assert len(events) == 1
    assert telemetry.values("ratelog.checks") == {"result=allowed source=local": 1}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_global_providers_are_used_whenever_they_are_set(moment: str) -> None:
    program = f"""
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from ratelog import SyncRateLimiter
from ratelog.opentelemetry import instrument
reader = InMemoryMetricReader()
limiters = [SyncRateLimiter("memory://", prefix=prefix) for prefix in ("early", "late")]
if {moment == "after"}:
    instrument(limiters[0])
metrics.set_meter_provider(MeterProvider([reader]))
for limiter in limiters[{int(moment == "after")}:]:
    instrument(limiter)
for limiter in limiters:
    limiter.check("k", "9/minute")
(resource,) = reader.get_metrics_data().resource_metrics
for metric in sorted(resource.scope_metrics[0].metrics, key=lambda metric: metric.name):
    points = metric.data.data_points
    print(metric.name, [getattr(point, "value", None) for point in points])
"""
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{program}"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd="/"
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "ratelog.check.duration [None]",
        "ratelog.checks [2]",
        "ratelog.fallback.active [0, 0]",
        "ratelog.problems [0, 0]",
        "ratelog.unanswered [0, 0]",
    ]


def test_opentelemetry_is_optional() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from ratelog import SyncRateLimiter
print(SyncRateLimiter("memory://", hooks=[lambda event: None]).check("k", "1/minute").allowed)
try:
    import ratelog.opentelemetry
except ImportError as error:
    print(error.name)
"""
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{program}"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert ran.stdout.split() == ["True", "opentelemetry"]


async def test_without_a_provider_checks_are_decided(open_limiter: Open, caplog: pytest.LogCaptureFixture) -> None:
    limiter = open_limiter("memory://")
    module.instrument(limiter.limiter, spans=True)
    assert [bool(await limiter.check("k", "1/minute")) for _ in range(2)] == [True, False]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_check_describes_itself_in_the_current_span(server: Server, open_limiter: Open) -> None:
    telemetry = Telemetry()
    server.db().execute_command("RL.POLICY", "SET", "gold", 1, "1h")
    limiter = open_limiter(server.url)
    telemetry.instrument(limiter.limiter)
    for _ in range(2):
        with telemetry.tracer.start_as_current_span("request"):
            await limiter.check("k", GOLD)
    allowed, denied = telemetry.spans("request")
    attributes = {"ratelog.limit": 1, "ratelog.remaining": 0, "ratelog.source": "module", "ratelog.policy": "gold"}
    assert allowed.attributes == {**attributes, "ratelog.result": "allowed"}
    assert denied.attributes == {**attributes, "ratelog.result": "denied"}
    assert not allowed.events
    (event,) = denied.events
    event_attributes = dict(event.attributes or {})
    retry_after = event_attributes.pop("ratelog.retry_after")
    assert isinstance(retry_after, float)
    assert 0 < retry_after <= 3600
    assert (event.name, event_attributes) == (
        "ratelog.denied",
        {"ratelog.limit": 1, "ratelog.window": 3600.0, "ratelog.policy": "gold"},
    )
    assert not telemetry.spans("ratelog.check")


async def test_a_denial_for_ever_has_no_retry_after(open_limiter: Open) -> None:
    telemetry = Telemetry()
    limiter = open_limiter("memory://")
    telemetry.instrument(limiter.limiter)
    with telemetry.tracer.start_as_current_span("request"):
        await limiter.check("k", "0/minute")
    (span,) = telemetry.spans("request")
    assert [dict(event.attributes or {}) for event in span.events] == [{"ratelog.limit": 0, "ratelog.window": 60.0}]


async def test_checks_have_spans_on_demand(open_limiter: Open) -> None:
    telemetry = Telemetry()
    limiter = open_limiter("redis://127.0.0.1:1")
    telemetry.instrument(limiter.limiter, spans=True)
    with telemetry.tracer.start_as_current_span("request"):
        await limiter.check("k", "1/minute")
    (request,) = telemetry.spans("request")
    (check,) = telemetry.spans("ratelog.check")
    assert check.parent is not None
    assert check.parent.span_id == request.context.span_id
    assert check.start_time is not None
    assert check.end_time is not None
    assert check.start_time <= check.end_time
    # The fallback decided the request, so the request has no error.
    shown = {"ratelog.result": "allowed", "ratelog.source": "local", "ratelog.limit": 1, "ratelog.remaining": 0}
    assert check.attributes == {**shown, "error.type": "circuit_open"}
    assert request.attributes == shown
    await limiter.check("k", "1/minute")
    assert [span.parent for span in telemetry.spans("ratelog.check")[1:]] == [None]


@pytest.mark.parametrize("place", ["default", "decorator", "dependency"])
async def test_a_request_has_its_decision_in_the_current_span(server: Server, place: str) -> None:
    telemetry = Telemetry()
    options: dict[str, Any] = {"default": "1/hour"} if place == "default" else {}
    limiter = RateLimiter(server.url, timeout=5, **options)
    telemetry.instrument(limiter)
    app = FastAPI()
    limiter.protect(app)
    dependencies = [Depends(limiter("1/hour", key=lambda connection: "k"))] if place == "dependency" else []

    async def endpoint() -> None: ...

    app.get("/", dependencies=dependencies)(limiter.limit("1/hour")(endpoint) if place == "decorator" else endpoint)

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        with telemetry.tracer.start_as_current_span("request"):
            await app(scope, receive, send)

    assert await statuses(traced, "/", "/") == [200, 429]
    await limiter.aclose()
    spans = telemetry.spans("request")
    assert [(span.attributes or {})["ratelog.result"] for span in spans] == ["allowed", "denied"]
    assert [[event.name for event in span.events] for span in spans] == [[], ["ratelog.denied"]]
    assert telemetry.values("ratelog.checks") == {"result=allowed source=module": 1, "result=denied source=module": 1}


@pytest.mark.skipif(find_spec("fastapi.telemetry") is None, reason="this version of FastAPI traces no requests")
async def test_a_request_has_its_decision_in_the_span_of_fastapi() -> None:
    telemetry = Telemetry()
    limiter = RateLimiter("memory://", default="1/hour")
    telemetry.instrument(limiter)
    app = FastAPI(telemetry={"tracer_provider": telemetry.tracer_provider})
    limiter.protect(app)
    app.add_api_route("/", lambda: None)
    assert await statuses(app, "/", "/") == [200, 429]
    # The name of a request's span has the route only if the request reached it.
    requests = telemetry.spans("GET /") + telemetry.spans("GET")
    shown = [span.attributes or {} for span in requests]
    assert [(span["ratelog.result"], span["http.response.status_code"]) for span in shown] == [
        ("allowed", 200),
        ("denied", 429),
    ]


@pytest.mark.parametrize("backend", ["server", "memory"])
async def test_a_request_under_an_unknown_policy_is_a_problem(server: Server, backend: str) -> None:
    telemetry = Telemetry()
    limiter = RateLimiter(
        server.url if backend == "server" else "memory://", timeout=5, default="9/hour", prefix="shop"
    )
    telemetry.instrument(limiter)
    app = FastAPI()
    limiter.protect(app)

    @app.get("/")
    @limiter.limit(GOLD)
    async def endpoint() -> None: ...

    assert await statuses(app, "/", "/") == [200, 200]
    await limiter.aclose()
    source = "module" if backend == "server" else "local"
    assert telemetry.values("ratelog.checks") == {
        f"result=allowed source={source}": 2,
        "error.type=ratelog.errors.NoPolicyError policy=gold result=allowed source=fallback": 2,
    }
    assert telemetry.values("ratelog.problems") == {"prefix=shop": 1}
