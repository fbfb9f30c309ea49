"""What `vbmesh up` does in lab mode alone."""

from __future__ import annotations

from collections.abc import Iterable

from voipbin.call.v1 import billing_account_service_pb2, outbound_config_service_pb2
from voipbin.call.v1.billing_account_service_pb2_grpc import BillingAccountServiceStub
from voipbin.call.v1.outbound_config_service_pb2_grpc import OutboundConfigServiceStub

from mesh import clients


async def open_calls(address: str, token: str, customer_ids: Iterable[str]) -> None:
    """Let customers call everywhere, until they say where, and give them money and wide limits.

    A later start changes nothing. `address` is call_manager's, `token` the supervisor's. Raises
    MeshError.
    """
    channel = clients.channel(
        address,
        outbound_config_service_pb2.DESCRIPTOR,
        billing_account_service_pb2.DESCRIPTOR,
        token=token,
        budget_s=20.0,
    )
    async with channel:
        configs, accounts = OutboundConfigServiceStub(channel), BillingAccountServiceStub(channel)
        for customer_id in sorted(customer_ids):
            await configs.OutboundConfigOpen(
                outbound_config_service_pb2.OutboundConfigOpenRequest(customer_id=customer_id)
            )
            await accounts.BillingAccountOpen(
                billing_account_service_pb2.BillingAccountOpenRequest(customer_id=customer_id)
            )
