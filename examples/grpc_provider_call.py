"""Places one call through a carrier over gRPC, and prints what became of it.

README.md beside this file says how to run it.
"""

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import Sequence

import grpc
from google.rpc import error_details_pb2, status_pb2
from voipbin.call.v1 import address_pb2, call_pb2, call_service_pb2, timeline_service_pb2
from voipbin.call.v1.call_service_pb2_grpc import CallServiceStub
from voipbin.call.v1.timeline_service_pb2_grpc import TimelineServiceStub
from voipbin.flow.v1 import action_pb2
from voipbin.route.v1 import provider_call_service_pb2, provider_pb2, provider_service_pb2
from voipbin.route.v1.provider_call_service_pb2_grpc import ProviderCallServiceStub
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceStub

ENDED_S_MAX = 120
RPC_S_MAX = 20

Credential = Sequence[tuple[str, str]]


async def main() -> int:
    """Place the call; return 0 when it was answered."""
    options = read_options()
    # An access key goes into `x-api-key` instead.
    credential = [("authorization", f"Bearer {os.environ['VBMESH_TOKEN']}")]
    # Over a network, use grpc.aio.secure_channel: the credential must not travel in clear.
    async with grpc.aio.insecure_channel(options.api) as channel:
        try:
            call = await place(channel, credential, options)
            print(f"call {call.id}: {call.sip_code} {call.sip_reason}")
            await show_timeline(channel, credential, call.id)
        except grpc.aio.AioRpcError as error:
            sys.exit(f"{reason(error)}: {error.details()}")
    return 0 if call.sip_code == 200 else 1


def read_options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", default="127.0.0.1:50050")
    parser.add_argument("--carrier", required=True, help="host, or host:port")
    parser.add_argument("--from", dest="source", required=True, help="as +12025550100")
    parser.add_argument("--to", required=True, help="as +12025550123")
    return parser.parse_args()


async def place(
    channel: grpc.aio.Channel, credential: Credential, options: argparse.Namespace
) -> call_pb2.Call:
    """Create the provider, place the call through it and return the call once it is over."""
    created = await ProviderServiceStub(channel).ProviderCreate(
        provider_service_pb2.ProviderCreateRequest(
            type=provider_pb2.PROVIDER_TYPE_SIP, name="example", hostname=options.carrier
        ),
        metadata=credential,
        timeout=RPC_S_MAX,
    )
    placed = await ProviderCallServiceStub(channel).ProviderCallCreate(
        provider_call_service_pb2.ProviderCallCreateRequest(
            provider_id=created.provider.id,
            source=phone(options.source),
            destinations=[phone(options.to)],
            actions=[action_pb2.Action(type="hangup")],
            # Sent again with the same key, it would be the same request: one call, not two.
            idempotency_key=str(uuid.uuid4()),
        ),
        metadata=credential,
        timeout=RPC_S_MAX,
    )
    return await until_ended(channel, credential, placed.provider_call.call_ids[0])


def phone(number: str) -> address_pb2.Address:
    """Return the address of a telephone number."""
    return address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target=number)


async def until_ended(
    channel: grpc.aio.Channel, credential: Credential, call_id: str
) -> call_pb2.Call:
    """Return the call once it is over; end with an error when it does not end in time."""
    calls = CallServiceStub(channel)
    deadline = time.monotonic() + ENDED_S_MAX
    while time.monotonic() < deadline:
        request = call_service_pb2.CallGetRequest(id=call_id)
        found = await calls.CallGet(request, metadata=credential, timeout=RPC_S_MAX)
        if found.call.status == call_pb2.CALL_STATUS_HANGUP:
            return found.call
        await asyncio.sleep(0.2)
    sys.exit(f"call {call_id} has not ended within {ENDED_S_MAX} s")


async def show_timeline(channel: grpc.aio.Channel, credential: Credential, call_id: str) -> None:
    """Print every SIP message of the call."""
    request = timeline_service_pb2.SipAnalysisGetRequest(id=call_id)
    found = await TimelineServiceStub(channel).SipAnalysisGet(
        request, metadata=credential, timeout=RPC_S_MAX
    )
    for message in found.sip_messages:
        print(f"{message.timestamp.ToJsonString()}  {message.src_ip:>15}  {message.method}")


def reason(error: grpc.aio.AioRpcError) -> str:
    """Return the stable reason of a refusal (`google.rpc.ErrorInfo`), or its gRPC code."""
    for name, value in error.trailing_metadata():
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return info.reason
    return error.code().name


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
