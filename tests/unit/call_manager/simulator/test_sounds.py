import math

import pytest

from call_manager.media.g711 import encode
from call_manager.media.tones import tone
from call_manager.simulator.behaviour import Digits
from call_manager.simulator.dtmf import QUEUE_MAX, DigitReader, Keypad
from call_manager.simulator.hearing import Hearing, Tone

SILENCE = b"\xd5" * 160


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
@pytest.mark.parametrize("hz", [300.0, 440.0, 1000.0, 2500.0])
def test_a_tone_is_heard_with_its_frequency_and_length(codec: str, hz: float) -> None:
    hearing = Hearing()
    for frame in tone(hz, 0.5):
        assert hearing.hear(encode(frame, codec), codec) is None
    heard = hearing.hear(SILENCE, "PCMA")
    assert heard is not None
    assert math.isclose(heard.hz, hz, rel_tol=0.01)
    assert heard.seconds == 0.5
    assert hearing.end() is None


def test_a_click_is_no_tone() -> None:
    hearing = Hearing()
    hearing.hear(bytes(range(160)), "PCMA")
    assert hearing.hear(SILENCE, "PCMA") is None


def test_what_is_still_heard_at_the_end_is_told() -> None:
    hearing = Hearing()
    for _ in range(5):
        hearing.hear((b"\x55" * 4 + b"\xd5" * 4) * 20, "PCMA")
    assert hearing.end() == Tone(1000, 0.1)


def test_a_key_is_pressed_for_its_time_and_then_there_is_a_pause() -> None:
    keypad = Keypad()
    keypad.press(Digits(digits="1#", duration_ms=60, pause_ms=40))
    ticks = [[packet.payload.hex() for packet in keypad.tick()] for _ in range(11)]
    assert ticks == [
        ["010a00a0"], ["010a0140"], ["018a01e0"] * 3, [], [],
        ["0b0a00a0"], ["0b0a0140"], ["0b8a01e0"] * 3, [], [], [],
    ]  # fmt: skip
    assert not keypad.busy


def test_what_the_queue_has_no_room_for_is_not_sent() -> None:
    keypad = Keypad()
    for _ in range(10):
        keypad.press(Digits(digits="1" * 64, duration_ms=40, pause_ms=40))
    starts = 0
    while keypad.busy:
        starts += sum(packet.first for packet in keypad.tick())
    assert starts == QUEUE_MAX


def test_many_packets_of_a_key_are_one_digit() -> None:
    reader = DigitReader()
    packets = [(0x0B, 160), (0x0B, 160), (0x0B, 160), (0x0B, 8000), (0x10, 9000), (0x00, 9600)]
    heard = [reader.read(bytes([event, 10, 0, 160]), at) for event, at in packets]
    assert heard == ["#", "", "", "#", "", "0"]


def test_a_packet_that_is_too_short_is_no_digit() -> None:
    assert DigitReader().read(b"\x01\x0a", 1) == ""
