"""route_manager with an account at a carrier."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from voipbin.route.v1 import provider_pb2, provider_setup_pb2, provider_setup_service_pb2
from voipbin.route.v1.provider_service_pb2 import ProviderListRequest
from voipbin.route.v1.provider_setup_service_pb2 import CarrierCredentials, ProviderSetupRequest
from voipbin.route.v1.provider_setup_service_pb2_grpc import ProviderSetupServiceStub

from mesh.errors import MeshError
from mesh.remote import RemoteError
from tests.service.route_manager.conftest import House
from tests.support.telnyx import KEY, Telnyx

FQDN = "sip.voipbin.example"

STEPS = ["GET /balance", "POST /outbound_voice_profiles", "POST /fqdn_connections", "POST /fqdns"]
CREATIONS = STEPS[1:]
KIND_OF = {
    "GET /balance": "check_key",
    "POST /outbound_voice_profiles": "outbound_voice_profile",
    "POST /fqdn_connections": "fqdn_connection",
    "POST /fqdns": "fqdn",
}


class Setups:
    """route_manager with an account at the carrier."""

    def __init__(self, house: House, account: Telnyx) -> None:
        self.house, self.account = house, account

    def serving(self, **changes: Any) -> Any:
        values = {
            "telnyx_base_url": self.account.base_url,
            "public_sip_fqdn": FQDN,
            "public_sip_port": 5070,
            "carrier_request_s": 1.0,
            **changes,
        }
        return self.house.serving(**values)

    @property
    def stub(self) -> ProviderSetupServiceStub:
        return ProviderSetupServiceStub(self.house.channel("lab"))

    async def ask(self, key: str = KEY, **fields: Any) -> provider_pb2.Provider:
        request = ProviderSetupRequest(
            **{"carrier": "telnyx", "name": "Telnyx Production", **fields},
            credentials=CarrierCredentials(api_key=key),
        )
        return (await self.stub.ProviderSetup(request)).provider

    async def refused(self, **fields: Any) -> RemoteError:
        with pytest.raises(MeshError) as caught:
            await self.ask(**fields)
        assert isinstance(caught.value, RemoteError)
        assert KEY not in f"{caught.value} {caught.value.metadata}"
        return caught.value

    async def listed(self) -> list[provider_setup_pb2.ProviderSetup]:
        request = provider_setup_service_pb2.ProviderSetupListRequest()
        return list((await self.stub.ProviderSetupList(request)).result)

    async def providers(self) -> list[provider_pb2.Provider]:
        return list((await self.house.providers().ProviderList(ProviderListRequest())).result)

    async def settled(self) -> provider_setup_pb2.ProviderSetup:
        """Wait until the only setup is no longer pending."""
        async with asyncio.timeout(10):
            while True:
                [setup] = await self.listed()
                if setup.status != provider_setup_pb2.PROVIDER_SETUP_STATUS_PENDING:
                    return setup
                await asyncio.sleep(0.02)
