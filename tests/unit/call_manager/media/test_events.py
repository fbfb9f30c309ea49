"""Digits as telephone events: what leaves of them, and that each is read once."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.media.events import DIGITS, EventPacket, EventReader
from call_manager.media.sounds import Keys, keys_s

SSRC = 7
Packet = tuple[bytes, int, int]
"""A payload, the timestamp and the marker it bears."""

typed = st.text(DIGITS, min_size=1, max_size=12)


def ticks(digits: str, duration_ms: int, interval_ms: int) -> list[bytes | EventPacket]:
    keys, frames = Keys(digits, duration_ms, interval_ms), []
    while (frame := keys.frame("PCMU", events=True)) is not None:
        frames.append(frame)
    return frames


def packets(digits: str, duration_ms: int = 100, interval_ms: int = 100) -> list[Packet]:
    """Return what leaves of events, with the timestamps that a stream gives them."""
    found, begun = [], 0
    for tick, frame in enumerate(ticks(digits, duration_ms, interval_ms)):
        if isinstance(frame, EventPacket):
            begun = tick * 160 if frame.first else begun
            found.append((frame.payload, begun, 0x80 if frame.first else 0))
    return found


def read(sent: Sequence[Packet], *, reader: EventReader | None = None, start: int = 0) -> str:
    reader = EventReader() if reader is None else reader
    return "".join(
        reader.read(payload, (0x80, marker | 101, 0, (at + start) % 2**32, SSRC))
        for payload, at, marker in sent
    )


def test_an_event_grows_and_its_end_is_said_three_times() -> None:
    event = [struct.unpack("!BBH", payload) for payload, _, _ in packets("#", 90)]
    assert event == [
        (11, 10, 160), (11, 10, 320), (11, 10, 480), (11, 10, 640),
        (11, 0x8A, 720), (11, 0x8A, 720), (11, 0x8A, 720),
    ]  # fmt: skip


def test_an_event_has_one_timestamp_and_one_marker() -> None:
    sent = packets("12", 60, 60)
    assert [at for _, at, _ in sent] == [0] * 5 + [6 * 160] * 5
    assert [marker for _, _, marker in sent] == [0x80, 0, 0, 0, 0] * 2


def test_digits_without_an_interval_are_40_ms_apart() -> None:
    assert len(ticks("77", 40, 0)) == 2 * (2 + 2)
    assert len(ticks("77", 40, 200)) == 2 + 10 + 2 + 2, "after the last nothing is waited for"


@pytest.mark.parametrize(
    ("digits", "duration_ms", "interval_ms"),
    [
        *(("", 100, 0), ("E", 100, 0), ("1 2", 100, 0), ("1" * 101, 100, 0)),
        *(("1", 39, 0), ("1", 6001, 0), ("1", 100, -1), ("1", 100, 5001)),
    ],
)
def test_digits_have_limits(digits: str, duration_ms: int, interval_ms: int) -> None:
    with pytest.raises(ValueError, match=r"Digits are|lasts|between"):
        Keys(digits, duration_ms, interval_ms)


@given(typed, st.integers(40, 400), st.integers(0, 200), st.integers(0, 2**32 - 1))
def test_what_is_sent_is_read(digits: str, duration_ms: int, interval_ms: int, start: int) -> None:
    assert read(packets(digits, duration_ms, interval_ms), start=start) == digits


@given(typed, st.integers(0, 2**32))
def test_lost_repeated_and_disordered_packets_change_no_digit(digits: str, seed: int) -> None:
    """Of every event at least one packet comes; those of one event in any order."""
    chance, sent = Random(seed), packets(digits)
    events = [[p for p in sent if p[1] == at] for at in sorted({at for _, at, _ in sent})]
    arriving = []
    for event in events:
        left = chance.sample(event, chance.randint(1, len(event)))
        arriving += left + chance.choices(left, k=chance.randint(0, 3))
    assert read(arriving) == digits


@given(typed, st.integers(0, 2**32))
def test_neighbours_that_overtake_each_other_repeat_no_digit(digits: str, seed: int) -> None:
    chance, sent = Random(seed), packets(digits, 40, 0)
    arriving = sorted(range(len(sent)), key=lambda n: n + 4 * chance.random())
    assert sorted(read([sent[n] for n in arriving])) == sorted(digits)


def test_an_event_whose_end_was_lost_is_over_with_the_next() -> None:
    sent = [packet for packet in packets("55") if not packet[0][1] & 0x80]
    assert read(sent) == "55"


def test_a_long_event_is_one_digit_in_all_its_segments() -> None:
    """RFC 4733 section 2.5.1.3: each begins where the one before it ended, without a marker."""
    segments = [(b"\x05\x0a\xff\xff", n * 0xFFFF, 0x80 if n == 0 else 0) for n in range(4)]
    assert read(segments) == "5"


def test_a_timestamp_that_is_not_kept_is_no_new_digit() -> None:
    """Some gateways count on; the marker, or a pause, then tells two digits apart."""
    drifting = [(b"\x05\x0a\x00\xa0", n * 160, 0x80 if n == 0 else 0) for n in range(10)]
    again = [(payload, at + 10 * 160, marker) for payload, at, marker in drifting]
    assert read([*drifting, *again]) == "55"


def test_another_source_may_use_the_same_timestamp() -> None:
    reader = EventReader()
    payload = b"\x05\x0a\x00\xa0"
    assert [reader.read(payload, (0x80, 0xE5, 0, 9, ssrc)) for ssrc in (1, 2, 1)] == ["5", "5", ""]


@given(st.binary(max_size=20), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_nothing_that_comes_breaks_the_reader(payload: bytes, kind: int, at: int) -> None:
    digit = EventReader().read(payload, (0x80, kind, 0, at, SSRC))
    wanted = DIGITS[payload[0]] if len(payload) >= 4 and payload[0] < 16 else ""
    assert digit == wanted


@given(digits=typed, duration_ms=st.integers(100, 1000), interval_ms=st.integers(0, 500))
def test_how_long_digits_take_is_known_before(
    digits: str, duration_ms: int, interval_ms: int
) -> None:
    sent_s = len(ticks(digits, duration_ms, interval_ms)) * 0.02
    assert abs(keys_s(len(digits), duration_ms, interval_ms) - sent_s) < 1e-9
