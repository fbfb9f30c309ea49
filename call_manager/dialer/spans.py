"""One client span per INVITE transaction, from its commit to its final answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from call_manager.channel import AttemptOutcome, InviteRecord, Transport

SPAN_NAME: Final = "INVITE"

_tracer: Final = trace.get_tracer("call_manager")

_MOMENTS: Final[tuple[tuple[str, Callable[[AttemptOutcome], datetime | None]], ...]] = (
    ("trying", lambda outcome: outcome.trying_at),
    ("ringing", lambda outcome: outcome.ringing_at),
    ("answered", lambda outcome: outcome.answered_at),
)


class AttemptSpans:
    """The spans of one leg's attempts, children of the span it is made in."""

    def __init__(self, call_id: UUID, provider_id: UUID | None, leg: int = 1) -> None:
        self._attributes: dict[str, str | int] = {"call.id": str(call_id), "call.leg": leg}
        if provider_id is not None:
            self._attributes["provider.id"] = str(provider_id)
        # The channel's own tasks report attempts, in whatever context they happen to be.
        self._parent = otel_context.get_current()
        self._open: dict[UUID, Span] = {}
        self._told: set[tuple[UUID, str]] = set()

    def begin(self, record: InviteRecord) -> None:
        """Open the span of an INVITE that is about to leave."""
        host, _, port = record.remote_address.rpartition(":")
        self._open[record.attempt_id] = _tracer.start_span(
            SPAN_NAME,
            context=self._parent,
            kind=SpanKind.CLIENT,
            attributes={
                **self._attributes,
                "network.transport": "udp" if record.transport is Transport.UDP else "tcp",
                "sip.transport": record.transport.value,
                "server.address": host.strip("[]"),
                "server.port": int(port) if port.isdigit() else 0,
                "sip.call_id": record.sip_call_id,
                "sip.request.resend_count": record.sequence - 1,
            },
        )

    def update(self, outcome: AttemptOutcome) -> None:
        """Add what happened since the last update; the final answer closes the span."""
        span = self._open.get(outcome.attempt_id)
        if span is None:
            return
        for name, moment_of in _MOMENTS:
            moment = moment_of(outcome)
            if moment is not None and (outcome.attempt_id, name) not in self._told:
                self._told.add((outcome.attempt_id, name))
                span.add_event(name, timestamp=_nanoseconds(moment))
        if outcome.answered_at is not None or outcome.ended_at is not None:
            self._close(outcome.attempt_id, outcome.code)

    def end(self) -> None:
        """Close what is still open: no final answer came."""
        for attempt_id in tuple(self._open):
            self._close(attempt_id, None)

    def _close(self, attempt_id: UUID, code: int | None) -> None:
        span = self._open.pop(attempt_id)
        if code is not None:
            span.set_attribute("sip.response.status_code", code)
        if code is None or code >= 300:
            span.set_attribute("error.type", str(code) if code is not None else "no_answer")
            span.set_status(Status(StatusCode.ERROR))
        span.end()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
