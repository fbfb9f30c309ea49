"""Spans by name, and the thread that ties stored work to the trace it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

CLIENT: Final = SpanKind.CLIENT
SERVER: Final = SpanKind.SERVER
INTERNAL: Final = SpanKind.INTERNAL

TRACEPARENT_HEADER: Final = "traceparent"
"""The header that carries the trace (W3C Trace Context)."""

Attributes = Mapping[str, str | bool | int | float]

_propagator: Final = TraceContextTextMapPropagator()
_tracer: Final = trace.get_tracer("mesh")


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None
) -> Iterator[Span]:
    """Run the enclosed work in a span; what it raises marks the span and passes through.

    `name` is a constant or comes from a small set: never an id, never anything secret.
    """
    current = open_span(name, kind, attributes)
    # By hand: the SDK's own context manager is three in one, and costs more than the span.
    token = otel_context.attach(trace.set_span_in_context(current))
    try:
        yield current
    except Exception as error:
        # The class only: an error's text may hold what a trace must not.
        current.set_attribute("error.type", type(error).__qualname__)
        current.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        otel_context.detach(token)
        current.end()


def open_span(name: str, kind: SpanKind, attributes: Attributes | None) -> Span:
    """Begin a span that is not yet current; whoever begins it enters it with `use`, and ends it."""
    return _tracer.start_span(name, kind=kind, attributes=attributes)


@contextmanager
def use(opened: Span) -> Iterator[None]:
    """Make an open span the parent of the enclosed work; does not end it."""
    token = otel_context.attach(trace.set_span_in_context(opened))
    try:
        yield
    finally:
        otel_context.detach(token)


def traceparent() -> str:
    """Return the current span as a W3C `traceparent`, or `""`; for storing beside a row."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACEPARENT_HEADER, "")


@contextmanager
def remote_parent(stored: str) -> Iterator[None]:
    """Continue the trace of a stored `traceparent`; `""` or a broken one starts a new trace."""
    carrier = {TRACEPARENT_HEADER: stored} if stored else {}
    token = otel_context.attach(_propagator.extract(carrier, context=otel_context.Context()))
    try:
        yield
    finally:
        otel_context.detach(token)


@contextmanager
def unsampled() -> Iterator[None]:
    """Begin a trace for the enclosed work that is never recorded: for looking again and again."""
    ids = RandomIdGenerator()
    parent = SpanContext(ids.generate_trace_id(), ids.generate_span_id(), is_remote=True)
    token = otel_context.attach(trace.set_span_in_context(NonRecordingSpan(parent)))
    try:
        yield
    finally:
        otel_context.detach(token)
