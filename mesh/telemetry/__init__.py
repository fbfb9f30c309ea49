"""Traces, logs and metrics, under today's names (RELIABILITY.md section 3.3)."""

from mesh.telemetry.logs import bind_log, log_bindings
from mesh.telemetry.metrics import REGISTRY, RpcMetrics
from mesh.telemetry.rpc import TelemetryConcern
from mesh.telemetry.spans import remote_parent, span, traceparent, unsampled
from mesh.telemetry.startup import Telemetry, setup

__all__ = [
    "REGISTRY",
    "RpcMetrics",
    "Telemetry",
    "TelemetryConcern",
    "bind_log",
    "log_bindings",
    "remote_parent",
    "setup",
    "span",
    "traceparent",
    "unsampled",
]
