"""Streams are cut into messages byte for byte, whatever pieces they arrive in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.sip.transport.framing import HEAD_MAX, PING, Framer

_RINGING = b"SIP/2.0 180 Ringing\r\nCall-ID: one\r\nContent-Length: 0\r\n\r\n"
_BYE = b"BYE sip:mesh@192.0.2.1 SIP/2.0\r\nl : 5 \r\nCall-ID: two\r\n\r\nv=0\r\n"
_LINE_FEEDS = b"BYE sip:mesh@192.0.2.1 SIP/2.0\nContent-Length: 3\n\nabc"


@given(cuts=st.lists(st.integers(0, 300), max_size=12))
def test_messages_come_out_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = _RINGING + b"\r\n" + _BYE + _LINE_FEEDS + _RINGING
    framer, found, start = Framer(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += framer.feed(stream[start : max(start, cut)])
        start = max(start, cut)
    assert [m for m in found if m != PING] == [_RINGING, _BYE, _LINE_FEEDS, _RINGING]
    assert not framer.fault
    assert not framer.unfinished


def test_a_keep_alive_is_told_and_the_line_ends_of_its_answer_are_skipped() -> None:
    framer = Framer()
    assert framer.feed(b"\r\n\r\n") == [PING]
    assert framer.feed(b"\r\n") == []
    assert framer.feed(_RINGING + b"\r\n\r\n" + _RINGING) == [_RINGING, PING, _RINGING]


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (b"BYE a SIP/2.0\r\nCall-ID: x\r\n\r\n", "no Content-Length"),
        (b"BYE a SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\n", "or several"),
        (b"BYE a SIP/2.0\r\nContent-Length: -1\r\n\r\n", "no number"),
        (b"BYE a SIP/2.0\r\nContent-Length: 99999\r\n\r\n", "longer than"),
        (b"BYE a SIP/2.0\r\nX: " + b"y" * HEAD_MAX, "headers of a message are longer"),
    ],
)
def test_what_cannot_be_cut_is_a_fault_and_keeps_nothing(stream: bytes, fault: str) -> None:
    framer = Framer()
    assert framer.feed(_RINGING + stream) == [_RINGING]
    assert fault in framer.fault
    assert framer.feed(_RINGING) == []


def test_a_repeated_content_length_of_one_value_is_harmless() -> None:
    message = b"BYE a SIP/2.0\r\nContent-Length: 1\r\nl: 1\r\n\r\nx"
    assert Framer().feed(message) == [message]


def test_endless_line_ends_are_not_kept() -> None:
    framer = Framer()
    for _ in range(100):
        framer.feed(b"\r" * 1000)
    assert framer.feed(_RINGING) == [_RINGING]
