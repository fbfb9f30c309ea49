"""SDP: an exact offer, a lenient reading of whatever answers it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.channel import MediaFailure
from call_manager.sip.sdp import (
    CODECS_MAX,
    FORMATS_MAX,
    LocalAudio,
    RemoteAudio,
    payloads,
    read,
    write_answer,
    write_offer,
)

OURS = ("PCMU", "PCMA", "G729", "opus")
BROKEN = RemoteAudio(problem=MediaFailure.NO_SDP)
NOTHING_COMMON = RemoteAudio(problem=MediaFailure.NO_COMMON_CODEC)
AT = ("192.0.2.1", 4000)


def unspoken(codec: str, payload_type: int) -> RemoteAudio:
    """A pick that was offered, and that nothing here can encode."""
    return RemoteAudio(codec, payload_type, AT, problem=MediaFailure.NOT_ENCODABLE)


def an_answer(formats: str, *more: str, port: str = "4000", c: str = "c=IN IP4 192.0.2.1") -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 x", "s=-", c, "t=0 0", f"m=audio {port} RTP/AVP {formats}"]
    return "\r\n".join([*lines, *more, ""]).encode()


def test_an_offer_lists_exactly_the_codecs_in_order() -> None:
    offer = write_offer(LocalAudio("192.0.2.7", 4000, ("iLBC", "G722", "opus", "PCMU"), 5))
    assert offer.decode().split("\r\n") == [
        *("v=0", "o=- 5 1 IN IP4 192.0.2.7", "s=-", "c=IN IP4 192.0.2.7", "t=0 0"),
        "m=audio 4000 RTP/AVP 96 9 97 0 101",
        *("a=rtpmap:96 iLBC/8000", "a=rtpmap:9 G722/8000", "a=rtpmap:97 opus/48000/2"),
        *("a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16"),
        *("a=ptime:20", "a=sendrecv", ""),
    ]


def test_dynamic_numbers_leave_out_telephone_events() -> None:
    numbers = payloads([f"X{n}" for n in range(8)])
    assert list(numbers.values()) == [96, 97, 98, 99, 100, 102, 103, 104]


@pytest.mark.parametrize("codecs", [(), ("PCMU\r\na=x",), ("",), ("a b",), ("X",) * 17])
def test_codecs_no_sdp_can_say_are_refused(codecs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"codec|encoding"):
        payloads(codecs)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (an_answer("0 101"), RemoteAudio("PCMU", 0, ("192.0.2.1", 4000))),
        (an_answer("8"), RemoteAudio("PCMA", 8, ("192.0.2.1", 4000))),
        (an_answer("18 8"), RemoteAudio("PCMA", 8, ("192.0.2.1", 4000))),
        (an_answer("18"), unspoken("G729", 18)),
        (an_answer("111", "a=rtpmap:111 OPUS/48000/2"), unspoken("opus", 111)),
        (
            an_answer("0", "c=IN IP4 198.51.100.9/127"),
            RemoteAudio("PCMU", 0, ("198.51.100.9", 4000)),
        ),
        (an_answer("0", "a=sendonly"), RemoteAudio("PCMU", 0, ("192.0.2.1", 4000), "sendonly")),
        (an_answer("0", c="c=IN IP4 0.0.0.0"), RemoteAudio("PCMU", 0, None, "inactive")),
        (an_answer("0", c="x="), RemoteAudio("PCMU", 0, None)),
        (an_answer("0", port="0"), NOTHING_COMMON),
        (an_answer("3"), NOTHING_COMMON),
        (an_answer("101"), NOTHING_COMMON),
        # A G.711 of another clock or of two channels is another format (RFC 3551 section 4.1).
        (an_answer("0", "a=rtpmap:0 PCMU/16000"), NOTHING_COMMON),
        (an_answer("96", "a=rtpmap:96 PCMA/16000"), NOTHING_COMMON),
        (an_answer("96", "a=rtpmap:96 PCMU/8000/2"), NOTHING_COMMON),
        (
            an_answer("96 8", "a=rtpmap:96 PCMU/16000"),
            RemoteAudio("PCMA", 8, ("192.0.2.1", 4000)),
        ),
        (
            an_answer("96", "a=rtpmap:96 PCMU/8000/1"),
            RemoteAudio("PCMU", 96, ("192.0.2.1", 4000)),
        ),
        (an_answer("96", "a=rtpmap:96 PCMU"), RemoteAudio("PCMU", 96, ("192.0.2.1", 4000))),
        # Of what we only offer, the number decides: G.722 is often written with its true rate.
        (an_answer("18", "a=rtpmap:18 G729/16000"), unspoken("G729", 18)),
        (an_answer("0", port="zz"), BROKEN),
        (an_answer("0", port="70000"), BROKEN),
        (an_answer(""), BROKEN),
        (b"", BROKEN),
        (b"\xff\xfe m=audio", BROKEN),
        (an_answer("0").replace(b"\r\n", b"\n"), RemoteAudio("PCMU", 0, ("192.0.2.1", 4000))),
        (
            b"v=0\nm=video 9 RTP/AVP 0\n" + an_answer("0")[4:],
            RemoteAudio("PCMU", 0, None),
        ),
    ],
)
def test_an_answer_is_read_as_far_as_it_goes(body: bytes, expected: RemoteAudio) -> None:
    assert replace(read(body, OURS), payloads=frozenset()) == expected


@pytest.mark.parametrize(
    ("lines", "rtcp", "mux"),
    [
        ("", None, False),
        ("a=rtcp-mux", None, True),
        ("a=rtcp:4444", ("192.0.2.1", 4444), False),
        ("a=rtcp:4444 IN IP4 192.0.2.9", ("192.0.2.9", 4444), False),
        ("a=rtcp:0", None, False),
        ("a=rtcp:\r\na=rtcp:99999", None, False),
    ],
)
def test_where_rtcp_goes_is_read(lines: str, rtcp: tuple[str, int] | None, mux: bool) -> None:
    found = read(an_answer("0 8 101", lines), OURS)
    assert (found.rtcp, found.rtcp_mux, found.payloads) == (rtcp, mux, frozenset({0, 8}))


def test_shared_ports_are_promised_to_who_asks_for_them_and_offered_to_nobody() -> None:
    audio = LocalAudio("192.0.2.7", 20_000, ("PCMU",), 1)
    asked = read(an_answer("0", "a=rtcp-mux"), OURS)
    assert b"a=rtcp-mux\r\n" in write_answer(audio, asked, version=2)
    assert b"rtcp" not in write_answer(audio, replace(asked, rtcp_mux=False), version=2)
    assert b"rtcp" not in write_offer(audio)


def test_every_token_is_an_encoding_name() -> None:
    names = ("x!#$%&'*+-.^_`{|}~", "2", "-", "c" * 32, *(f"c{n}" for n in range(CODECS_MAX - 4)))
    assert len(set(payloads(names).values())) == CODECS_MAX


@given(st.binary(max_size=300), st.text(max_size=40))
def test_no_body_raises(raw: bytes, text: str) -> None:
    for body in (raw, an_answer("0 8", text, raw.decode("latin-1")), an_answer(text)):
        audio = read(body, OURS)
        assert audio.codec in {"", *OURS}
        assert (audio.problem is MediaFailure.NONE) == (audio.codec in {"PCMU", "PCMA"})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sendrecv", "sendrecv"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
    ],
)
def test_a_direction_is_answered_by_its_mirror(theirs: str, ours: str) -> None:
    audio = LocalAudio("::1", 4000, OURS, 5)
    remote = RemoteAudio("opus", 111, None, theirs, events=96)
    answer = write_answer(audio, remote, version=2).decode()
    assert f"a={ours}\r\n" in answer
    assert "m=audio 4000 RTP/AVP 111 96\r\n" in answer
    assert "a=rtpmap:96 telephone-event/8000\r\n" in answer
    assert "o=- 5 2 IN IP6 ::1" in answer


def test_an_endless_list_of_formats_is_read_in_part() -> None:
    """Reading it all would cost every call of the machine a tenth of a second."""
    within = b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP" + b" 99" * (FORMATS_MAX - 4) + b" 0"
    assert read(within, ("PCMU",)).codec == "PCMU"
    assert read(within.replace(b"AVP", b"AVP 99"), ("PCMU",)).codec == ""


def test_telephone_events_are_answered_only_where_they_were_offered() -> None:
    answer = write_answer(LocalAudio("::1", 4000, OURS, 5), RemoteAudio("PCMU", 0), version=2)
    assert b"m=audio 4000 RTP/AVP 0\r\n" in answer
    assert b"telephone-event" not in answer


@pytest.mark.parametrize(
    ("formats", "lines", "number"),
    [
        ("0 101", "a=rtpmap:101 telephone-event/8000", 101),
        ("0 96", "a=rtpmap:96 Telephone-Event/8000/1", 96),
        ("0 97 98", "a=rtpmap:97 telephone-event/48000\r\na=rtpmap:98 telephone-event/8000", 98),
        ("0", "a=rtpmap:101 telephone-event/8000", None),
        ("0 101", "a=rtpmap:101 telephone-event/16000", None),
        ("0 300", "a=rtpmap:300 telephone-event/8000", None),
        ("0 101", "", None),
    ],
)
def test_the_peers_telephone_events_are_found(formats: str, lines: str, number: int | None) -> None:
    body = f"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP {formats}\r\n{lines}\r\n"
    assert read(body.encode(), OURS).events == number
