"""call_manager as it runs: from CallsCreate to the wire and back, through its own bootstrap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from voipbin.call.v1 import (
    billing_account_service_pb2,
    billing_account_service_pb2_grpc,
    call_pb2,
    call_service_pb2,
    call_service_pb2_grpc,
    outbound_config_service_pb2,
    outbound_config_service_pb2_grpc,
)

from call_manager.bootstrap import build
from call_manager.settings import CallSettings
from mesh.clock import new_id
from tests.service.call_manager.calls_world import (
    NUMBER,
    OWN_NUMBER,
    Providers,
    RouteManager,
    in_seconds,
    known,
    neighbour,
    raw,
    tel,
)
from tests.support.node import Credentials, running
from tests.support.silent_carrier import SilentCarrier, silent_carrier


class Asker:
    """Asks a running call_manager as route_manager does."""

    def __init__(
        self,
        creating: call_service_pb2_grpc.CallServiceStub,
        reading: call_service_pb2_grpc.CallServiceStub,
        configs: outbound_config_service_pb2_grpc.OutboundConfigServiceStub,
        accounts: billing_account_service_pb2_grpc.BillingAccountServiceStub,
        carrier: SilentCarrier,
    ) -> None:
        self.carrier = carrier
        self._configs = configs
        self._accounts = accounts
        self._creating = creating
        self._reading = reading

    async def create(self) -> str:
        call_id, customer_id = str(new_id()), str(new_id())
        opening = outbound_config_service_pb2.OutboundConfigOpenRequest(customer_id=customer_id)
        await self._configs.OutboundConfigOpen(opening)
        paying = billing_account_service_pb2.BillingAccountOpenRequest(customer_id=customer_id)
        await self._accounts.BillingAccountOpen(paying)
        await self._creating.CallsCreate(
            call_service_pb2.CallsCreateRequest(
                id=str(new_id()),
                customer_id=customer_id,
                call_ids=[call_id],
                source=tel(OWN_NUMBER),
                destinations=[tel(NUMBER)],
                metadata=raw(route_provider_ids=[str(new_id())], skip_source_validation=True),
                dial_not_after=in_seconds(30),
                customer=known(),
            )
        )
        return call_id

    async def get(self, call_id: str) -> call_pb2.Call:
        answer = await self._reading.CallGet(call_service_pb2.CallGetRequest(id=call_id))
        return answer.call

    async def hangup(self, call_id: str) -> call_pb2.Call:
        answer = await self._reading.CallHangup(call_service_pb2.CallHangupRequest(id=call_id))
        return answer.call


@asynccontextmanager
async def call_manager(folder: Path, database_url: str) -> AsyncIterator[Asker]:
    credentials = Credentials(folder)
    async with silent_carrier() as carrier:
        providers = Providers(carrier.address)  # type: ignore[abstract]  # Nobody asks the rest.
        routes = RouteManager()  # type: ignore[abstract]
        async with running(neighbour(credentials, routes, providers)) as route_manager:
            settings = CallSettings(
                **credentials.settings("call_manager"),
                database_url=database_url,
                route_manager_address=route_manager.address,
                # No call here is answered, so no flow is asked for.
                flow_manager_address="127.0.0.1:1",
                sip_listen="127.0.0.1:0",
                live_calls_grace_s=0.5,
            )
            async with running(build(settings)) as node:
                files = (
                    call_service_pb2.DESCRIPTOR,
                    outbound_config_service_pb2.DESCRIPTOR,
                    billing_account_service_pb2.DESCRIPTOR,
                )
                creating = credentials.channel(node.address, "route_manager", *files)
                reading = credentials.channel(node.address, "lab", *files)
                yield Asker(
                    call_service_pb2_grpc.CallServiceStub(creating),
                    call_service_pb2_grpc.CallServiceStub(reading),
                    outbound_config_service_pb2_grpc.OutboundConfigServiceStub(reading),
                    billing_account_service_pb2_grpc.BillingAccountServiceStub(reading),
                    carrier,
                )
                await creating.close()
                await reading.close()


async def invited(carrier: SilentCarrier) -> None:
    """Wait for the first INVITE."""
    for _ in range(500):
        if carrier.invites():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no INVITE came")


async def test_a_created_call_is_dialled_once_and_its_attempt_is_shown(
    tmp_path: Path, database_url: str
) -> None:
    async with call_manager(tmp_path, database_url) as asker:
        call_id = await asker.create()
        await invited(asker.carrier)
        call = await asker.get(call_id)
        assert call.status == call_pb2.CALL_STATUS_DIALING
        [attempt] = call.attempts
        assert attempt.request_uri == f"sip:{NUMBER}@{asker.carrier.address}"
        assert attempt.remote_address == asker.carrier.address
        assert attempt.provider_id == call.provider_id
        assert len(asker.carrier.invites()) == 1


async def test_a_hangup_before_any_answer_reaches_the_live_session(
    tmp_path: Path, database_url: str
) -> None:
    async with call_manager(tmp_path, database_url) as asker:
        call_id = await asker.create()
        await invited(asker.carrier)
        assert (await asker.hangup(call_id)).status == call_pb2.CALL_STATUS_CANCELING
        # A CANCEL must wait for a provisional answer, which this carrier never sends
        # (RFC 3261 section 9.1); the call stays on its way to its end.
        assert (await asker.get(call_id)).status == call_pb2.CALL_STATUS_CANCELING
