"""The metrics and spans of a test, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ratelog.opentelemetry import instrument

if TYPE_CHECKING:
    from ratelog import RateLimiter, SyncRateLimiter


class Telemetry:
    """Providers that collect in memory."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self._exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.tracer_provider.get_tracer("tests")

    def instrument(self, limiter: RateLimiter | SyncRateLimiter, **options: Any) -> None:
        instrument(limiter, meter_provider=self.meter_provider, tracer_provider=self.tracer_provider, **options)

    def points(self, name: str) -> list[Any]:
        """The data points of an instrument."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        found = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in found for point in metric.data.data_points]

    def values(self, name: str) -> dict[str, int]:
        """The values of an instrument, or the counts of a histogram, by their attributes: `result=denied source=local`.

        The attributes are in alphabetical order, without the prefix `ratelog.`.
        """
        return {
            " ".join(f"{key.removeprefix('ratelog.')}={value}" for key, value in sorted(point.attributes.items())): (
                point.count if isinstance(point, HistogramDataPoint) else point.value
            )
            for point in self.points(name)
        }

    def spans(self, name: str) -> list[ReadableSpan]:
        """The spans of a name that have ended."""
        return [span for span in self._exporter.get_finished_spans() if span.name == name]
