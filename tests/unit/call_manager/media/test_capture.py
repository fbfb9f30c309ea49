"""Captured packets come back as they were, and no leg captures without end."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.media.capture import (
    CHUNK_BYTES_MAX,
    Capture,
    CapturedPacket,
    CaptureLimits,
    CaptureUnreadable,
    read,
    write,
)

T0_NS = 1_800_000_000_123_456_000
US = 1000
HERE, THERE, V6 = ("192.0.2.1", 20_000), ("198.51.100.7", 30_000), ("2001:db8::1", 4)


def a_packet(after_us: int = 0, data: bytes = b"x" * 172, *, sent: bool = True) -> CapturedPacket:
    ends = (HERE, THERE) if sent else (THERE, HERE)
    return CapturedPacket(T0_NS + after_us * US, sent, False, *ends, data)


packets = st.builds(
    CapturedPacket,
    st.integers(0, 2**34).map(lambda us: T0_NS + us * US),
    st.booleans(),
    st.booleans(),
    st.sampled_from([HERE, THERE, V6]),
    st.tuples(st.ip_addresses().map(str), st.integers(0, 65_535)),
    st.binary(max_size=300),
)


@given(st.lists(packets, max_size=20))
def test_every_packet_comes_back_in_the_order_of_time(taken: list[CapturedPacket]) -> None:
    back = [packet for chunk in write(taken) for packet in read(chunk)]
    assert back == sorted(taken, key=lambda packet: packet.at_ns)


def test_many_addresses_fit_into_several_chunks() -> None:
    taken = [a_packet(n)._replace(source=("192.0.2.9", n)) for n in range(600)]
    chunks = write(taken)
    assert len(chunks) == 3
    assert [packet for chunk in chunks for packet in read(chunk)] == taken


def test_silence_takes_next_to_no_room() -> None:
    (chunk,) = write([a_packet(n * 10_000, b"\xff" * 160) for n in range(100)])
    assert len(chunk) < 1600


def test_a_capture_hands_over_when_told_and_when_it_is_long() -> None:
    chunks: list[bytes] = []
    capture = Capture(HERE[0], CaptureLimits(), chunks.append)
    capture.take(a_packet())
    assert not chunks
    capture.flush()
    capture.flush()
    assert [len(read(chunk)) for chunk in chunks] == [1]
    for number in range(CHUNK_BYTES_MAX // 172 + 1):
        capture.take(a_packet(number))
    assert len(chunks) == 2
    assert not capture.full


@pytest.mark.parametrize("limits", [CaptureLimits(packets=3), CaptureLimits(octets=600)])
def test_a_full_capture_keeps_what_it_has_and_says_so_once(
    limits: CaptureLimits, caplog: pytest.LogCaptureFixture
) -> None:
    chunks: list[bytes] = []
    capture = Capture(HERE[0], limits, chunks.append)
    for number in range(10):
        capture.take(a_packet(number))
    capture.flush()
    assert capture.full
    assert [len(read(chunk)) for chunk in chunks] == [3]
    assert caplog.text.count("capture is full") == 1


def test_a_journal_that_fails_costs_no_audio(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: bytes) -> None:
        raise OSError("the disk is full")

    capture = Capture(HERE[0], CaptureLimits(), broken)
    capture.take(a_packet())
    capture.flush()
    assert "could not be handed over" in caplog.text


(GOOD,) = write([a_packet()])


@pytest.mark.parametrize(
    "chunk",
    [
        b"",
        b"Q" + GOOD[1:],
        GOOD[:1] + b"\x02" + GOOD[2:],
        GOOD[:-5],
        GOOD[:12],
        GOOD[:20] + zlib.compress(b"short"),
        struct.pack("!cBQB", b"R", 1, 0, 0) + zlib.compress(bytes(20_000_000)),
    ],
)
def test_what_is_no_chunk_is_refused(chunk: bytes) -> None:
    with pytest.raises(CaptureUnreadable):
        read(chunk)
