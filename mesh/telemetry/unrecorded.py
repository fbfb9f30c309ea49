"""Tracing where nothing is exported: traces pass through and have ids, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from typing_extensions import override

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)
_UNSAMPLED: Final = TraceFlags(TraceFlags.RANDOM_TRACE_ID)


class UnrecordedTracing(trace.TracerProvider):
    """Makes spans that only have a context, so that logs and peers still know the trace.

    Whether a trace is sampled is told on as if we recorded it: a peer may export. New traces are
    sampled by `ratio`.
    """

    def __init__(self, ratio: float) -> None:
        self._tracer = _Tracer(ratio)

    @override
    def get_tracer(self, *names: Any, **options: Any) -> trace.Tracer:
        """Return the one tracer; who asks makes no difference."""
        return self._tracer


class _Tracer(trace.Tracer):
    def __init__(self, ratio: float) -> None:
        self._ids = RandomIdGenerator()
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio)

    @override
    def start_span(
        self, name: str, context: Context | None = None, *rest: Any, **options: Any
    ) -> NonRecordingSpan:
        span_id = self._ids.generate_span_id()
        parent = trace.get_current_span(context).get_span_context()
        if parent.is_valid:
            made = SpanContext(
                parent.trace_id, span_id, False, parent.trace_flags, parent.trace_state
            )
            return NonRecordingSpan(made)
        trace_id = self._ids.generate_trace_id()
        sampled = trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound
        flags = _SAMPLED if sampled else _UNSAMPLED
        return NonRecordingSpan(SpanContext(trace_id, span_id, False, flags))

    # What the API wants is its own kind of context manager, which only decorating adds to ours.
    @override
    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, context: Context | None = None, *rest: Any, **options: Any
    ) -> Iterator[NonRecordingSpan]:
        span = self.start_span(name, context)
        with trace.use_span(span):
            yield span
