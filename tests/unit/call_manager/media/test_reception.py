"""What comes in, counted: the rules of RFC 3550 appendix A, one by one."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.media.reception import PACKET_BYTES_MAX, Reception, payload_span

BEGAN_NS = 1_800_000_000_000_000_000
MS = 1_000_000


def heard(
    sequences: Iterable[int], *, at_ms: Iterable[float] | None = None, ssrc: int = 7
) -> Reception:
    """Packets of 20 ms, each with the timestamp of its number, all on time unless `at_ms`."""
    reception = Reception()
    numbers = list(sequences)
    times = list(at_ms) if at_ms is not None else [20.0 * index for index in range(len(numbers))]
    for sequence, moment in zip(numbers, times, strict=True):
        note(reception, sequence, moment, ssrc=ssrc)
    return reception


def note(reception: Reception, sequence: int, at_ms: float, *, ssrc: int = 7) -> None:
    fields = (0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc)
    reception.note(fields, 160, BEGAN_NS + int(at_ms * MS))


def test_an_even_stream_has_neither_loss_nor_jitter() -> None:
    count = heard(range(100)).count()
    assert (count.packets, count.octets, count.lost, count.late_or_repeated) == (100, 16_000, 0, 0)
    assert count.jitter_ms == pytest.approx(0, abs=0.01)
    assert count.gap_max_ms == pytest.approx(20)
    assert count.first_at is not None
    assert count.last_at is not None
    assert (count.last_at - count.first_at).total_seconds() == pytest.approx(1.98)


@pytest.mark.parametrize(
    ("sequences", "lost", "odd"),
    [
        ([1, 2, 3, 5, 6], 1, 0),
        ([1, 2, 3, 9], 5, 0),
        ([1, 2, 4, 3, 5], 0, 1),  # late, but there
        ([1, 2, 2, 3], 0, 1),  # twice
        ([1, 2, 4, 4, 5], 1, 1),  # one that came twice does not stand for one that never came
        ([1, 2, 4, 3, 3, 5], 0, 2),
        ([65_534, 65_535, 0, 1, 3], 1, 0),  # numbers wrap
        ([65_534, 65_535, 1, 2], 1, 0),  # the lost one is the wrap itself
        ([10, 11, 12, 30_000, 30_001, 30_002], 0, 0),  # the peer numbers anew
        ([10, 11, 13, 30_000, 30_001, 30_003], 2, 0),  # and each of its runs has its losses
        ([10, 11, 30_000, 12, 13], 0, 0),  # one wild packet is none of the stream
        ([5], 0, 0),
        ([5, 9], 0, 0),  # not yet a stream
        ([5, 9, 10, 12], 1, 0),
    ],
)
def test_losses_are_counted_by_the_numbers(sequences: list[int], lost: int, odd: int) -> None:
    reception = heard(sequences)
    assert (reception.lost, reception.late + reception.repeated) == (lost, odd)
    assert reception.packets == len(sequences)


def test_another_source_begins_anew_and_old_losses_stay() -> None:
    reception = heard([1, 2, 4], at_ms=[20, 40, 80])
    for sequence in (900, 901, 903):
        note(reception, sequence, 107 + 20 * (sequence - 900), ssrc=8)
    assert reception.lost == 2
    assert reception.packets == 6
    assert reception.ssrc == 8
    assert reception.count().jitter_ms == pytest.approx(0, abs=0.01), "its clock is its own"


def test_jitter_is_that_of_appendix_a8() -> None:
    """Worked by hand: every other packet 16 ms late, so |D| is 16 ms = 128 units each time."""
    late = [20.0 * index + (16 if index % 2 else 0) for index in range(200)]
    reception = heard(range(200), at_ms=late)
    expected = 0.0
    for _ in range(199):
        expected += (128 - expected) / 16
    assert reception.jitter == pytest.approx(expected, rel=0.01)
    assert reception.count().jitter_ms == pytest.approx(16, abs=0.2)
    assert reception.count().jitter_max_ms == pytest.approx(16, abs=0.2)


def test_jitter_survives_the_wrap_and_the_jump_of_a_clock() -> None:
    reception = Reception()
    for index in range(400):
        stamp = (2**32 - 160 * 200 + 160 * index) & 0xFFFFFFFF
        if index >= 300:
            stamp = (stamp + 123_456_789) & 0xFFFFFFFF  # set anew, as at a transfer
        at_ns = BEGAN_NS + index * 20 * MS
        reception.note((0x80, 0, index, stamp, 7), 160, at_ns)
    assert reception.count().jitter_max_ms < 0.1


def test_a_telephone_event_has_no_time_of_its_own() -> None:
    reception = heard(range(10))
    for index in range(10, 20):
        fields = (0x80, 101, index, 10 * 160, 7)
        reception.note(fields, 4, BEGAN_NS + index * 20 * MS, timed=False)
    assert reception.count().jitter_max_ms < 0.1
    assert reception.lost == 0


def test_a_silence_is_seen_although_nothing_is_lost() -> None:
    times = [20.0 * index + (300 if index > 20 else 0) for index in range(50)]
    count = heard(range(50), at_ms=times).count()
    assert count.gap_max_ms == pytest.approx(320)
    assert count.lost == 0


def test_a_report_block_counts_as_the_rfc_does() -> None:
    reception = heard([1, 2, 4, 4, 5, 8])
    assert reception.expected == 8
    assert reception.highest == 8
    assert reception.lost_for_report == 2, "the repeated one counts as received (6.4.1)"
    assert reception.lost == 3
    assert reception.fraction_lost() == 2 * 256 // 8
    assert reception.fraction_lost() == 0, "of what came since the last time"


def packet(first: int, rest: bytes) -> tuple[bytes, int]:
    raw = struct.pack("!BBHII", first, 0, 1, 2, 3) + rest
    return raw + bytes(PACKET_BYTES_MAX - len(raw)), len(raw)


@pytest.mark.parametrize(
    ("first", "rest", "span"),
    [
        (0x80, b"x" * 160, (12, 172)),
        (0x80, b"", (12, 12)),
        (0x81, b"csrc" + b"x" * 10, (16, 26)),
        (0x90, b"\xbe\xde\x00\x01ext1" + b"x" * 5, (20, 25)),
        (0xA0, b"x" * 8 + b"\0\0\0\x04", (12, 20)),
        (0xA0, b"x" * 8 + b"\0\0\0\xff", None),
        (0xA0, b"x" * 8 + b"\0\0\0\0", None),
        (0x90, b"\xbe", None),
        (0x90, b"\xbe\xde\xff\xff", None),
        (0x8F, b"x" * 8, None),
        (0x40, b"x" * 160, None),
        (0x00, b"x" * 160, None),
    ],
)
def test_the_payload_is_found(first: int, rest: bytes, span: tuple[int, int] | None) -> None:
    assert payload_span(*packet(first, rest)) == span


@given(st.binary(max_size=64))
def test_no_packet_breaks_the_reader(raw: bytes) -> None:
    span = payload_span(raw + bytes(PACKET_BYTES_MAX - len(raw)), len(raw))
    assert span is None or 12 <= span[0] <= span[1] <= len(raw)


@given(st.lists(st.integers(0, 65_535), max_size=300))
def test_no_order_of_numbers_makes_nonsense(sequences: list[int]) -> None:
    reception = heard(sequences)
    assert reception.packets == len(sequences)
    assert reception.lost >= 0
    assert 0 <= reception.fraction_lost() <= 255
