"""Timelines over real gRPC, of calls that were really placed; tshark reads what is downloaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from voipbin.call.v1 import timeline_service_pb2
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from call_manager.timeline import service
from mesh.clock import new_id
from tests.service.call_manager.calls_world import facts, refusal
from tests.service.call_manager.exchange import Exchange
from tests.support.node import a_super_admin, an_identity
from tests.support.sip_peer import Reply, sip_peer
from tests.support.sipp import Sipp, free_udp_port


@dataclass
class Placed:
    exchange: Exchange
    call_id: str
    messages: int
    port: int


@pytest.fixture
async def exchange(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Exchange]:
    async with Exchange(tmp_path, fresh_postgres).neighbours() as exchange, exchange.serving():
        yield exchange


@pytest.fixture
async def placed(exchange: Exchange) -> Placed:
    """An answered call that is over."""
    async with Sipp("answers.xml", free_udp_port()) as sipp:
        call_id = await exchange.dial(await exchange.carrier(sipp.address))
        await exchange.until(call_id, "hangup")
        assert await sipp.exit_status() == 0, sipp.errors()
    return Placed(exchange, call_id, len(sipp.messages()), sipp.port)


def own(exchange: Exchange) -> Identity:
    identity = an_identity(options_pb2.PERMISSION_CUSTOMER_MANAGER)
    identity.customer_id = exchange.customer
    return identity


async def tshark(path: Path, *fields: str) -> str:
    """Return these fields of every SIP message in a file, as tshark reads it."""
    wanted = [argument for field in fields for argument in ("-e", field)]
    process = await asyncio.create_subprocess_exec(
        "tshark", "-n", "-r", str(path), "-Y", "sip", "-T", "fields", *wanted,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_the_analysis_shows_each_message_with_its_ends(placed: Placed) -> None:
    found = await placed.exchange.analysis(placed.call_id, own(placed.exchange))
    assert len(found) == placed.messages
    invite, ringing = found[0], found[1]
    ours = placed.exchange.sip_address.split(":")
    assert [invite.src_ip, str(invite.src_port)] == ours
    assert (invite.dst_ip, invite.dst_port) == ("127.0.0.1", placed.port)
    assert (ringing.src_ip, ringing.src_port) == ("127.0.0.1", placed.port)
    assert invite.raw.startswith(b"INVITE sip:+15550100002@127.0.0.1")
    moments = [message.timestamp.ToDatetime() for message in found]
    assert moments == sorted(moments)


async def test_tshark_reads_the_same_number_of_sip_messages(placed: Placed, tmp_path: Path) -> None:
    pieces = await placed.exchange.pcap(placed.call_id, own(placed.exchange))
    assert {piece.body.content_type for piece in pieces} == {"application/vnd.tcpdump.pcap"}
    path = tmp_path / "call.pcap"
    path.write_bytes(b"".join(piece.body.data for piece in pieces))
    read = await tshark(path, "sip.Method", "sip.Status-Code")
    lines = [line.strip() for line in read.splitlines()]
    assert lines == ["INVITE", "180", "200", "ACK", "BYE", "200"]
    assert len(lines) == placed.messages


async def test_a_long_trace_is_streamed_in_pieces_and_shown_up_to_a_limit(
    exchange: Exchange, tmp_path: Path
) -> None:
    async with sip_peer() as peer:
        call_id = await exchange.dial(await exchange.carrier(f"127.0.0.1:{peer.port}"))
        invite = await peer.hear("INVITE")
        padding = ("X-Padding: " + "x" * 2000,)
        for number in range(600):
            peer.reply(invite, Reply(183, "Session Progress", headers=padding))
            if number % 10 == 0:
                # A burst would overflow the socket's buffer.
                await asyncio.sleep(0.01)
        peer.reply(invite, Reply(486, "Busy Here"))
        await peer.hear("ACK")
        await exchange.until(call_id, "hangup")
    found = await exchange.analysis(call_id)
    assert 300 <= len(found) <= 1000, "as many as an answer of 1 MiB holds, and at most 1000"
    pieces = [piece.body.data for piece in await exchange.pcap(call_id)]
    assert len(pieces) > 5
    assert max(len(piece) for piece in pieces) <= service.CHUNK_BYTES_MAX
    path = tmp_path / "call.pcap"
    path.write_bytes(b"".join(pieces))
    read = await tshark(path, "frame.number")
    # The kernel may drop a datagram of such a burst; what came is all there, in order.
    numbers = [int(line) for line in read.split()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > len(found)


async def test_another_customers_call_is_not_found(placed: Placed) -> None:
    stranger = an_identity()
    expected = ("NOT_FOUND", "CALL_NOT_FOUND", {"call_id": placed.call_id})
    assert facts(await refusal(placed.exchange.analysis(placed.call_id, stranger))) == expected
    assert facts(await refusal(placed.exchange.pcap(placed.call_id, stranger))) == expected


async def test_a_super_admin_sees_every_call(placed: Placed) -> None:
    found = await placed.exchange.analysis(placed.call_id, a_super_admin())
    assert len(found) == placed.messages


async def test_a_call_that_does_not_exist_is_not_found(exchange: Exchange) -> None:
    unknown = str(new_id())
    expected = ("NOT_FOUND", "CALL_NOT_FOUND", {"call_id": unknown})
    assert facts(await refusal(exchange.analysis(unknown))) == expected
    assert facts(await refusal(exchange.pcap(unknown))) == expected


async def test_a_call_that_never_reached_the_wire_is_explained_without_a_trace(
    exchange: Exchange,
) -> None:
    call_id = await exchange.dial(await exchange.carrier("carrier.invalid"))
    await exchange.until(call_id, "hangup")
    request = timeline_service_pb2.SipAnalysisGetRequest(id=call_id)
    answer = await exchange.timelines().SipAnalysisGet(request)
    assert not answer.sip_messages
    assert answer.explanation.rule == "NAME_NOT_RESOLVED"
    assert [attempt.sip_call_id for attempt in answer.attempts] == [""]
    expected = ("NOT_FOUND", "TRACE_NOT_FOUND", {"call_id": call_id})
    assert facts(await refusal(exchange.pcap(call_id))) == expected
