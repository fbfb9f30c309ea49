"""Whatever comes to a leg's port, nothing of it breaks the leg."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from call_manager.media.audience import Audience
from call_manager.media.events import DIGITS
from call_manager.media.hearing import Expected, Hearing
from call_manager.media.reception import PACKET_BYTES_MAX
from call_manager.media.rtcp_session import RtcpSession, Sent

PEER = ("192.0.2.1", 4000)
kinds = st.sampled_from([0, 8, 13, 96, 101, 127]) | st.integers(0, 127)
headers = st.builds(
    lambda first, kind, rest: bytes([first, kind]) + rest,
    st.sampled_from([0x80, 0x81, 0x90, 0xA0, 0xBF]),
    kinds | kinds.map(lambda kind: kind | 0x80),
    st.binary(min_size=10, max_size=10),
)
packets = st.binary(max_size=64) | st.builds(bytes.__add__, headers, st.binary(max_size=400))


def a_hearing() -> tuple[Hearing, list[str]]:
    hearing, digits = Hearing(RtcpSession(1, Sent())), list[str]()
    hearing.on_digit = digits.append
    hearing.audience = Audience("PCMA")
    hearing.expect(PEER[0], Expected("PCMA", 8, frozenset({0, 8}), 96))
    return hearing, digits


def take(hearing: Hearing, packet: bytes) -> None:
    buffer = bytearray(PACKET_BYTES_MAX)
    buffer[: len(packet)] = packet
    hearing.take(buffer, len(packet), 1, PEER)


@given(st.lists(packets, max_size=30))
def test_no_packet_breaks_what_is_heard(arriving: list[bytes]) -> None:
    hearing, digits = a_hearing()
    assert hearing.audience is not None
    for packet in arriving:
        take(hearing, packet)
        hearing.audience.turn()
        assert len(hearing.audience.frame) == 160
    assert set(digits) <= set(DIGITS)


def test_digits_and_audio_are_told_apart_by_their_numbers() -> None:
    hearing, digits = a_hearing()
    assert hearing.audience is not None
    for number, (kind, payload) in enumerate(
        [(8, b"\x01" * 160), (101, b"\x05\x0a\0\xa0"), (96, b"\x06\x0a\0\xa0"), (97, b"\x07" * 4)]
    ):
        take(hearing, struct.pack("!BBHII", 0x80, kind, number, number * 160, 9) + payload)
    heard = b""
    for _ in range(6):
        hearing.audience.turn()
        heard += hearing.audience.frame
    assert digits == ["5", "6"]
    assert heard.strip(b"\xd5") == b"\x01" * 160
    assert hearing.others == {97}


def test_the_events_of_a_packet_with_an_extension_are_found() -> None:
    hearing, digits = a_hearing()
    header = struct.pack("!BBHIIHHI", 0x90, 101, 1, 160, 9, 0xBEDE, 1, 0)
    take(hearing, header + b"\x03\x0a\0\xa0")
    assert digits == ["3"]
