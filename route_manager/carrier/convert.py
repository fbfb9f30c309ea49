"""Setups between the contract and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr
from voipbin.route.v1 import provider_setup_pb2 as pb
from voipbin.route.v1.provider_setup_service_pb2 import CarrierCredentials, ProviderSetupRequest

from mesh.clock import new_id
from route_manager.carrier.domain import Setup, SetupOrder, SetupStatus
from route_manager.convert import refuse_null_characters, timestamp, uuid_text

_STATUS_OUT: Final[Mapping[SetupStatus, pb.ProviderSetupStatus.ValueType]] = {
    SetupStatus.PENDING: pb.PROVIDER_SETUP_STATUS_PENDING,
    SetupStatus.COMPLETED: pb.PROVIDER_SETUP_STATUS_COMPLETED,
    SetupStatus.FAILED: pb.PROVIDER_SETUP_STATUS_FAILED,
}


def order_of(request: ProviderSetupRequest) -> SetupOrder:
    """Read what is to be set up, under an id of its own."""
    texts = {"carrier": request.carrier, "name": request.name, "detail": request.detail}
    refuse_null_characters(texts.items())
    return SetupOrder(id=new_id(), **texts)


def key_of(credentials: CarrierCredentials) -> SecretStr:
    """Read the key; from here on it shows itself to nobody who does not ask for it."""
    return SecretStr(credentials.api_key)


def setup_to_proto(setup: Setup) -> pb.ProviderSetup:
    """Show a setup."""
    return pb.ProviderSetup(
        id=str(setup.id),
        carrier=setup.order.carrier,
        name=setup.order.name,
        status=_STATUS_OUT[setup.status],
        provider_id=uuid_text(setup.provider_id),
        leftovers=[
            pb.CarrierObject(kind=one.kind, id=one.id, name=one.name) for one in setup.objects
        ],
        error_reason=setup.error_reason,
        error_message=setup.error_message,
        tm_create=timestamp(setup.tm_create),
        tm_update=timestamp(setup.tm_update),
    )
