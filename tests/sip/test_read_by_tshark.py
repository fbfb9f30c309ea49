"""What we write, read by a program that is not ours: tshark finds nothing to complain of."""

from __future__ import annotations

import asyncio
import shutil
import struct
from pathlib import Path

from call_manager.channel import WireMessage
from call_manager.sip.channel import SipChannel
from call_manager.sip.effects import read_address
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import ALICE, a_target, end_of
from tests.support.sip_peer import Reply, sip_peer

RAW_IPV4 = 228


def a_capture(messages: list[WireMessage]) -> bytes:
    """A pcap file of IPv4 packets, made by hand."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, RAW_IPV4)]
    for message in messages:
        ends = [message.local_address, message.remote_address]
        (_, source), (_, target) = map(read_address, ends if message.sent else reversed(ends))
        udp = struct.pack("!HHHH", source, target, 8 + len(message.raw), 0) + message.raw
        loopback = bytes([127, 0, 0, 1])
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, *[loopback] * 2)
        size = len(ip) + len(udp)
        parts.append(struct.pack("<IIII", int(message.at.timestamp()), 0, size, size) + ip + udp)
    return b"".join(parts)


async def tshark(path: Path, port: int, *arguments: str) -> list[str]:
    program = shutil.which("tshark")
    assert program is not None, "apt-get install tshark"
    process = await asyncio.create_subprocess_exec(
        program,
        *("-r", str(path), "-d", f"udp.port=={port},sip", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return output.decode().splitlines()


async def test_tshark_understands_every_message_we_send(
    quick: SipChannel, journal: MemoryJournal, tmp_path: Path
) -> None:
    async with sip_peer() as peer:
        headers = (("X-CustomerID", "Åse"), ("Privacy", "id"))
        target = a_target(
            peer.port, credentials=ALICE, headers=headers, codecs=("G729", "opus", "PCMU")
        )
        leg = quick.dial(target, journal)
        challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
        peer.reply(await peer.hear("INVITE"), Reply(401, headers=(challenge,)))
        await peer.hear("ACK")
        await peer.answer()
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        await end_of(leg)
    capture = tmp_path / "call.pcap"
    capture.write_bytes(a_capture([message for message in journal.messages if message.sent]))
    fields = ("-T", "fields", "-e", "sip.Method", "-e", "sip.CSeq.seq", "-e", "sdp.media")
    offer = fields_of(await tshark(capture, peer_port(journal), *fields))
    assert [row[:2] for row in offer] == [
        *(["INVITE", "1"], ["ACK", "1"], ["INVITE", "2"], ["ACK", "2"], ["BYE", "3"])
    ]
    assert offer[0][2].endswith("RTP/AVP 18 96 0 101")
    complaints = "_ws.malformed or _ws.expert.severity >= 0x00600000"
    assert await tshark(capture, peer_port(journal), "-Y", complaints) == []


def fields_of(lines: list[str]) -> list[list[str]]:
    return [line.split("\t") for line in lines]


def peer_port(journal: MemoryJournal) -> int:
    return read_address(journal.planned[0].remote_address)[1]
