"""call_manager as it runs, with the real route_manager and flow_manager beside it.

Every service is built by its own bootstrap, on real sockets and a real database; the carrier is
real sipp, or a phone that the test scripts.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from google.protobuf import struct_pb2
from sqlalchemy import select
from voipbin.call.v1 import (
    address_pb2,
    billing_account_service_pb2,
    billing_account_service_pb2_grpc,
    call_pb2,
    call_service_pb2,
    call_service_pb2_grpc,
    groupcall_service_pb2,
    groupcall_service_pb2_grpc,
    outbound_config_service_pb2,
    outbound_config_service_pb2_grpc,
    recording_service_pb2,
    recording_service_pb2_grpc,
    timeline_service_pb2,
    timeline_service_pb2_grpc,
)
from voipbin.flow.v1 import action_pb2, flow_service_pb2, flow_service_pb2_grpc
from voipbin.mesh.v1.identity_pb2 import Identity
from voipbin.route.v1 import provider_service_pb2, provider_service_pb2_grpc

import flow_manager.bootstrap
import route_manager.bootstrap
from call_manager.billing.consistency import mistakes
from call_manager.billing.repository import BILLINGS
from call_manager.bootstrap import build
from call_manager.settings import CallSettings
from flow_manager.settings import FlowSettings
from mesh.clients import MeshChannel
from mesh.clock import new_id
from mesh.database import Database
from mesh.identity import acting_as
from route_manager.settings import RouteSettings
from tests.service.call_manager.calls_world import in_seconds, known, raw, tel
from tests.support.node import Credentials, running
from tests.support.sipp import free_udp_port

NUMBER = "+15550100002"
WAIT_S = 15.0
NOWHERE = "127.0.0.1:1"


class Exchange:
    """One data directory and what runs on it."""

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        self.credentials = Credentials(folder)
        self.database_url = database_url
        """call_manager's; None: its own SQLite file."""
        self.customer = str(new_id())
        self.folder = folder
        self.sip_address = f"127.0.0.1:{free_udp_port()}"
        self._neighbours = {"route_manager": "", "flow_manager": ""}
        self._address = ""
        self._channels: list[MeshChannel] = []

    @asynccontextmanager
    async def neighbours(self) -> AsyncIterator[Exchange]:
        """Run route_manager and flow_manager."""
        async with AsyncExitStack() as stack:
            flows = flow_manager.bootstrap.build(
                FlowSettings(**self.credentials.settings("flow_manager"))
            )
            routes = route_manager.bootstrap.build(
                RouteSettings(
                    **self.credentials.settings("route_manager"),
                    call_manager_address=NOWHERE,
                    flow_manager_address=NOWHERE,
                )
            )
            for node in (flows, routes):
                await stack.enter_async_context(running(node))
                self._neighbours[node.name] = node.address
            try:
                yield self
                assert await self.mistakes() == ()
            finally:
                for channel in self._channels:
                    await channel.close()

    @asynccontextmanager
    async def serving(
        self, settings_type: type[CallSettings] = CallSettings, **settings: Any
    ) -> AsyncIterator[Exchange]:
        """Run call_manager in this process; again on the same directory, as often as one likes."""
        values = {**self.credentials.settings("call_manager"), **self._own(), **settings}
        async with running(build(settings_type(**values))) as node:
            self._address = node.address
            await self.open()
            yield self

    @asynccontextmanager
    async def process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run call_manager as a process of its own, which the test may kill."""
        values = {**self.credentials.settings("call_manager"), **self._own()}
        environment = {f"VBMESH_{name.upper()}": str(value) for name, value in values.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "call_manager",
            env={**os.environ, **environment}, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        run_file = self.folder / "run" / "call_manager.json"
        try:
            async with asyncio.timeout(30):
                while not run_file.exists():
                    assert process.returncode is None, "call_manager ended at its start"
                    await asyncio.sleep(0.05)
            self._address = orjson.loads(run_file.read_bytes())["grpc"]
            await self.open()
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    @property
    def stored_at(self) -> str:
        """The URL of call_manager's database."""
        return self.database_url or f"sqlite+aiosqlite:///{self.folder / 'call_manager.db'}"

    async def mistakes(self) -> tuple[str, ...]:
        """Return what of money and caps does not agree with its rows; nothing without a database.

        Whatever becomes of the process: it may be asked beside one that runs, or after a kill.
        """
        if self.database_url is None and not (self.folder / "call_manager.db").exists():
            return ()
        database = Database(self.stored_at)
        await database.start()
        try:
            return await database.read(mistakes, name="test_mistakes")
        finally:
            await database.stop()

    async def movements(self) -> list[str]:
        """Return the kinds of the movements that were booked, in alphabetical order."""
        database = Database(self.stored_at)
        await database.start()
        try:
            statement = select(BILLINGS.c.transaction_type)
            rows = await database.read(lambda tx: tx.all(statement), name="test_movements")
        finally:
            await database.stop()
        return sorted(row["transaction_type"] for row in rows)

    def _own(self) -> Mapping[str, Any]:
        # What is None would be the word "None" in the environment of a process.
        database = {} if self.database_url is None else {"database_url": self.database_url}
        return {
            **database,
            "route_manager_address": self._neighbours["route_manager"],
            "flow_manager_address": self._neighbours["flow_manager"],
            "sip_listen": self.sip_address,
            "rtp_port_first": 30_000,
            "rtp_port_last": 39_998,
        }

    def _channel(self, peer: str, address: str, *files: Any) -> MeshChannel:
        channel = self.credentials.channel(address, peer, *files)
        self._channels.append(channel)
        return channel

    def calls(self, peer: str = "lab") -> call_service_pb2_grpc.CallServiceStub:
        channel = self._channel(peer, self._address, call_service_pb2.DESCRIPTOR)
        return call_service_pb2_grpc.CallServiceStub(channel)

    def groupcalls(self, peer: str = "lab") -> groupcall_service_pb2_grpc.GroupcallServiceStub:
        channel = self._channel(peer, self._address, groupcall_service_pb2.DESCRIPTOR)
        return groupcall_service_pb2_grpc.GroupcallServiceStub(channel)

    def timelines(self, peer: str = "lab") -> timeline_service_pb2_grpc.TimelineServiceStub:
        channel = self._channel(peer, self._address, timeline_service_pb2.DESCRIPTOR)
        return timeline_service_pb2_grpc.TimelineServiceStub(channel)

    def recordings(self) -> recording_service_pb2_grpc.RecordingServiceStub:
        channel = self._channel("lab", self._address, recording_service_pb2.DESCRIPTOR)
        return recording_service_pb2_grpc.RecordingServiceStub(channel)

    async def open(self) -> None:
        """Let the customer call everywhere and pay for it, as a lab's first start does."""
        channel = self._channel("lab", self._address, outbound_config_service_pb2.DESCRIPTOR)
        stub = outbound_config_service_pb2_grpc.OutboundConfigServiceStub(channel)
        request = outbound_config_service_pb2.OutboundConfigOpenRequest(customer_id=self.customer)
        await stub.OutboundConfigOpen(request)
        channel = self._channel("lab", self._address, billing_account_service_pb2.DESCRIPTOR)
        accounts = billing_account_service_pb2_grpc.BillingAccountServiceStub(channel)
        await accounts.BillingAccountOpen(
            billing_account_service_pb2.BillingAccountOpenRequest(customer_id=self.customer)
        )

    def neighbour(self, service: str, *files: Any) -> MeshChannel:
        """Open a channel to a neighbour, as whoever may ask everything."""
        return self._channel("lab", self._neighbours[service], *files)

    async def carrier(self, hostname: str, **fields: Any) -> str:
        """Add a carrier and return its id."""
        address = self._neighbours["route_manager"]
        channel = self._channel("lab", address, provider_service_pb2.DESCRIPTOR)
        stub = provider_service_pb2_grpc.ProviderServiceStub(channel)
        request = provider_service_pb2.ProviderCreateRequest(hostname=hostname, **fields)
        return (await stub.ProviderCreate(request)).provider.id

    async def temporary_flow(self, owner_id: Any, flow_id: Any) -> None:
        """Create a flow that something owns."""
        stub = flow_service_pb2_grpc.FlowServiceStub(
            self._channel(
                "call_manager", self._neighbours["flow_manager"], flow_service_pb2.DESCRIPTOR
            )
        )
        await stub.FlowCreate(
            flow_service_pb2.FlowCreateRequest(
                id=str(flow_id), customer_id=self.customer, owner_id=str(owner_id), name="tmp"
            )
        )

    async def flow(self, *actions: tuple[str, dict[str, Any]]) -> str:
        """Create a flow of the customer's and return its id."""
        channel = self._channel(
            "route_manager", self._neighbours["flow_manager"], flow_service_pb2.DESCRIPTOR
        )
        made = []
        for kind, options in actions:
            option = struct_pb2.Struct()
            option.update(options)
            made.append(action_pb2.Action(type=kind, option=option))
        request = flow_service_pb2.FlowCreateRequest(
            id=str(new_id()), customer_id=self.customer, owner_id=str(new_id()), actions=made
        )
        answer = await flow_service_pb2_grpc.FlowServiceStub(channel).FlowCreate(request)
        return answer.flow.id

    async def dial(
        self,
        carrier: str,
        *,
        flow_id: str = "",
        destination: address_pb2.Address | None = None,
        within_s: float = 30.0,
        rtp_debug: bool = False,
        **fields: Any,
    ) -> str:
        """Create one call through a carrier, as a provider call does, and return its id."""
        request = call_service_pb2.CallsCreateRequest(
            id=str(new_id()),
            customer_id=self.customer,
            call_ids=[str(new_id())],
            flow_id=flow_id,
            source=tel("+15550100001"),
            destinations=[destination or tel(NUMBER)],
            metadata=raw(
                route_provider_ids=[carrier], skip_source_validation=True, rtp_debug=rtp_debug
            ),
            dial_not_after=in_seconds(within_s),
            customer=known(),
            **fields,
        )
        answer = await self.calls("route_manager").CallsCreate(request)
        return answer.calls[0].id

    async def get(self, call_id: str) -> call_pb2.Call:
        request = call_service_pb2.CallGetRequest(id=call_id)
        return (await self.calls().CallGet(request)).call

    async def hangup(self, call_id: str) -> None:
        await self.calls().CallHangup(call_service_pb2.CallHangupRequest(id=call_id))

    async def until(self, call_id: str, status: str, *, within_s: float = WAIT_S) -> call_pb2.Call:
        """Wait until the call has that status."""
        stub, request = self.calls(), call_service_pb2.CallGetRequest(id=call_id)
        wanted = call_pb2.CallStatus.Value(f"CALL_STATUS_{status.upper()}")
        async with asyncio.timeout(within_s):
            while (call := (await stub.CallGet(request)).call).status != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return call

    async def analysis(
        self, call_id: str, identity: Identity | None = None
    ) -> list[timeline_service_pb2.SipMessage]:
        """Ask for a call's SIP messages; with an identity, through the public door."""
        request = timeline_service_pb2.SipAnalysisGetRequest(id=call_id)
        if identity is None:
            return list((await self.timelines().SipAnalysisGet(request)).sip_messages)
        with acting_as(identity):
            answer = await self.timelines("api_gateway").SipAnalysisGet(request)
        return list(answer.sip_messages)

    async def pcap(
        self, call_id: str, identity: Identity | None = None
    ) -> list[timeline_service_pb2.PcapGetResponse]:
        """Download a call's pcap file; with an identity, through the public door."""
        request = timeline_service_pb2.PcapGetRequest(id=call_id)
        if identity is None:
            return [piece async for piece in self.timelines().PcapGet(request)]
        with acting_as(identity):
            stream = self.timelines("api_gateway").PcapGet(request)
            return [piece async for piece in stream]


def ended(call: call_pb2.Call) -> tuple[str, str, int]:
    """Return who ended a call, why, and the final SIP status."""
    by = call_pb2.HangupBy.Name(call.hangup_by).removeprefix("HANGUP_BY_").lower()
    reason = call_pb2.HangupReason.Name(call.hangup_reason).removeprefix("HANGUP_REASON_").lower()
    return by, reason, call.sip_code
