"""Prometheus metrics of every RPC: rate, errors, duration."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Histogram, start_http_server

REGISTRY: Final = CollectorRegistry()
"""The process's metrics; services add their own to it."""

# The buckets of the RPC semantic conventions, in seconds.
BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class RpcMetrics:
    """How long RPCs took, by RPC and by code; the count of it is the rate."""

    def __init__(self, side: str, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            f"rpc_{side}_call_duration_seconds",
            f"Duration of RPCs as the {side} saw them.",
            ("method", "code"),
            buckets=BUCKETS_S,
            registry=registry,
        )

    def observe(self, method: str, code: str, seconds: float) -> None:
        """Count one RPC; `method` comes from the contract, so the labels stay few."""
        self._duration.labels(method, code).observe(seconds)


SERVER: Final = RpcMetrics("server", REGISTRY)
CLIENT: Final = RpcMetrics("client", REGISTRY)


def serve_metrics(listen: str) -> None:
    """Serve the metrics over HTTP at `host:port`, from a daemon thread."""
    host, _, port = listen.rpartition(":")
    start_http_server(int(port), host.strip("[]"), REGISTRY)
