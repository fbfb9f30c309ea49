"""Sets the process's telemetry up, once, and flushes it at the end."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from mesh.clock import new_id
from mesh.settings import MeshSettings
from mesh.start import listening_at
from mesh.telemetry.logs import configure_logs
from mesh.telemetry.metrics import serve_metrics
from mesh.telemetry.unrecorded import UnrecordedTracing

FLUSH_MS_MAX: Final = 3000
"""How long the process's end waits for spans that are still to be sent."""


class Telemetry:
    """The process's tracing; stop it last, so that the spans of the end are sent, too."""

    def __init__(self, tracing: TracerProvider | None) -> None:
        self._tracing = tracing

    def stop(self) -> None:
        """Send what is left, for at most three seconds, and end."""
        if self._tracing is not None:
            self._tracing.force_flush(FLUSH_MS_MAX)
            self._tracing.shutdown()


def setup(service: str, settings: MeshSettings) -> Telemetry:
    """Configure logs, traces and (when asked for) the metrics listener of this process.

    Raises StartRefused when metrics cannot be served where they are asked for.
    """
    configure_logs(service, settings.log_level)
    tracing = None
    if settings.otlp_endpoint is None:
        # A recorded span costs five times one that nobody will ever see.
        trace.set_tracer_provider(UnrecordedTracing(settings.trace_ratio))
    else:
        tracing = build_tracing(service, settings)
        trace.set_tracer_provider(tracing)
    if settings.metrics_listen is not None:
        with listening_at(settings.metrics_listen, "metrics", "VBMESH_METRICS_LISTEN"):
            serve_metrics(settings.metrics_listen)
    return Telemetry(tracing)


def build_tracing(
    service: str, settings: MeshSettings, exporter: SpanExporter | None = None
) -> TracerProvider:
    """Return the tracing for a service; it exports only where an endpoint is set.

    A trace begun elsewhere is recorded when its parent was; new ones by `trace_ratio`.
    """
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": "voipbin",
            "service.version": _version(),
            "service.instance.id": str(new_id()),
        }
    )
    sampler = ParentBased(TraceIdRatioBased(settings.trace_ratio))
    tracing = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
    if exporter is None and settings.otlp_endpoint is not None:
        insecure = not settings.otlp_endpoint.startswith("https://")
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=insecure, timeout=3)
    if exporter is not None:
        tracing.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    return tracing


def _version() -> str:
    try:
        return version("voipbin-mesh")
    except PackageNotFoundError:
        return "0"
