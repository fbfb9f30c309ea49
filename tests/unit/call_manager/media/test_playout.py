"""The jitter buffer: what is heard when, of packets that come as networks bring them."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from call_manager.media.playout import CAPACITY, DELAY, Playout

FRAME = 160
QUIET = b"\xff" * FRAME
LEAD = [QUIET] * (DELAY // FRAME)
"""What is heard before the first packet."""


def frame(number: int) -> bytes:
    return bytes([number % 200]) * FRAME


def put(playout: Playout, *numbers: int, start: int = 0, ssrc: int = 1) -> None:
    for number in numbers:
        playout.put(frame(number), (start + number * FRAME) % 2**32, ssrc)


def taken(playout: Playout, count: int) -> list[bytes]:
    return [playout.take() for _ in range(count)]


def test_without_packets_there_is_silence() -> None:
    assert taken(Playout(b"\xff"), 20) == [QUIET] * 20


@given(st.integers(0, 2**32 - 1))
def test_packets_are_heard_at_their_pace_40_ms_later(start: int) -> None:
    playout, heard = Playout(b"\xff"), []
    for number in range(40):
        put(playout, number, start=start)
        heard += taken(playout, 1)
    assert heard == [*LEAD, *(frame(n) for n in range(38))]


@given(st.integers(0, 2**32))
def test_loss_is_silence_and_order_and_repetition_change_nothing(seed: int) -> None:
    """Packets come up to 40 ms late."""
    chance, playout, heard, lost = Random(seed), Playout(b"\xff"), [], set[int]()
    due: dict[int, list[int]] = {0: [0]}
    for number in range(1, 60):
        if chance.random() < 0.2:
            lost.add(number)
        else:
            for _ in range(chance.choice((1, 1, 2))):
                due.setdefault(number + chance.randint(0, 2), []).append(number)
    for tick in range(62):
        put(playout, *due.get(tick, []))
        heard += taken(playout, 1)
    wanted = [QUIET if n in lost else frame(n) for n in range(60)]
    assert heard == [*LEAD, *wanted]


def test_other_lengths_of_packets_are_heard_whole() -> None:
    playout, heard = Playout(b"\xff"), b""
    for number in range(10):
        playout.put(bytes([number]) * 480, number * 480, 1)
        heard += b"".join(taken(playout, 3))
    assert heard[DELAY:] == b"".join(bytes([n]) * 480 for n in range(10))[: 4800 - DELAY]


def test_part_of_a_packet_may_be_in_time() -> None:
    playout = Playout(b"\xff")
    put(playout, 0)
    taken(playout, 2)
    playout.put(b"\x07" * 240, 0, 1)  # 20 ms of it are due in this turn.
    assert playout.take() == b"\x07" * 160
    playout.put(b"\x08" * 240, 80, 1)
    assert playout.take() == b"\x08" * 160


def test_a_packet_that_is_too_late_is_not_heard() -> None:
    playout = Playout(b"\xff")
    put(playout, 0, 2)
    assert taken(playout, 5) == [*LEAD, frame(0), QUIET, frame(2)]
    put(playout, 1)
    assert taken(playout, CAPACITY // FRAME) == [QUIET] * (CAPACITY // FRAME)


def test_a_source_that_is_always_late_is_waited_for() -> None:
    playout = Playout(b"\xff")
    put(playout, 0)
    taken(playout, 8)
    heard = []
    for number in range(1, 20):
        put(playout, number)
        heard += taken(playout, 1)
    assert heard[-10:] == [frame(n) for n in range(8, 18)]


def test_a_clock_that_jumps_and_another_source_are_followed() -> None:
    playout = Playout(b"\xff")
    put(playout, 0)
    taken(playout, 1)
    put(playout, 1, start=1_000_000)
    assert taken(playout, 4) == [*LEAD, frame(1), QUIET]
    put(playout, 2, start=50)
    assert taken(playout, 4) == [*LEAD, frame(2), QUIET]
    put(playout, 3, start=50, ssrc=2)
    assert taken(playout, 4) == [*LEAD, frame(3), QUIET]
