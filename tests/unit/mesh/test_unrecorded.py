from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from mesh.telemetry import remote_parent, span, spans, traceparent
from mesh.telemetry.unrecorded import UnrecordedTracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"


@pytest.fixture
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "_tracer", UnrecordedTracing(1.0).get_tracer("test"))


@pytest.mark.usefixtures("unrecorded")
def test_a_trace_that_nobody_exports_still_has_ids_that_its_parts_share() -> None:
    with span("outer") as outer:
        outside = traceparent().split("-")
        with span("inner") as inner:
            inside = traceparent().split("-")
        assert traceparent().split("-") == outside
    assert traceparent() == ""
    assert not outer.is_recording()
    assert not inner.is_recording()
    assert inside[1] == outside[1]
    assert inside[2] != outside[2]


@pytest.mark.usefixtures("unrecorded")
@pytest.mark.parametrize("flags", ["00", "01"])
def test_whether_a_begun_trace_is_sampled_is_passed_on_to_who_may_export(flags: str) -> None:
    with remote_parent(PARENT + flags), span("here"):
        passed_on = traceparent()
    assert passed_on.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert passed_on.endswith(f"-{flags}")
    assert "b7ad6b7169203331" not in passed_on


@pytest.mark.parametrize(("ratio", "sampled"), [(0.0, False), (1.0, True)])
def test_a_new_trace_is_sampled_by_the_ratio_as_if_it_were_recorded(
    ratio: float, sampled: bool
) -> None:
    tracer = UnrecordedTracing(ratio).get_tracer("test")
    with tracer.start_as_current_span("new") as new:
        assert trace.get_current_span() is new
    assert new.get_span_context().trace_flags.sampled is sampled
    assert trace.get_current_span() is not new


def test_it_says_of_a_trace_what_the_recording_one_says() -> None:
    made = [
        tracing.get_tracer("test").start_span("new").get_span_context()
        for tracing in (UnrecordedTracing(1.0), TracerProvider(shutdown_on_exit=False))
    ]
    assert made[0].trace_flags == made[1].trace_flags
    assert made[0].is_valid
    assert not made[0].is_remote
