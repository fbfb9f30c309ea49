"""Failover tables for the wire (pure)."""

from __future__ import annotations

from voipbin.call.v1 import failover_service_pb2 as pb
from voipbin.route.v1.provider_pb2 import Provider

from call_manager.call.failover import Policy, table


def failover_to_proto(provider: Provider) -> pb.ProviderFailover:
    """Return what holds for a provider; raises ValueError for a list that means nothing."""
    own = bool(provider.failover_codes)
    source = pb.FAILOVER_SOURCE_PROVIDER if own else pb.FAILOVER_SOURCE_PLATFORM
    rows = table(Policy.of(provider.failover_codes))
    return pb.ProviderFailover(
        provider_id=provider.id,
        source=source,
        # A list replaces the platform's table whole, so every row is of the one or the other.
        rows=[
            pb.FailoverRow(code=row.code, cause=row.cause, fails_over=row.fails_over, source=source)
            for row in rows
        ],
    )
