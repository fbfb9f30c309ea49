"""The channel against real sipp: what each carrier does, and where the leg must end."""

from __future__ import annotations

import hashlib
import re

import pytest

from call_manager.channel import (
    Answered,
    Channel,
    ChannelEvent,
    Ended,
    EndedBy,
    MediaFailure,
    Progress,
)
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import ALICE, a_target, end_of, rest, until
from tests.support.sipp import Sipp, free_udp_port


async def call(
    channel: Channel, journal: MemoryJournal, scenario: str, **changes: object
) -> tuple[list[ChannelEvent], Sipp]:
    """Place a call, hang up once it is answered, and see the scenario through to its end."""
    async with Sipp(scenario, free_udp_port()) as sipp:
        leg = channel.dial(a_target(sipp.port, **changes), journal)
        events: list[ChannelEvent] = []
        while not (events and isinstance(events[-1], Ended)):
            events.append(await leg.next_event())
            if isinstance(events[-1], Answered):
                leg.hangup()
        assert await sipp.exit_status() == 0, sipp.errors()
        return events, sipp


async def test_an_answered_call_is_ended_by_our_bye(
    channel: Channel, journal: MemoryJournal
) -> None:
    events, sipp = await call(channel, journal, "answers.xml")
    assert [type(event) for event in events] == [Progress, Answered, Ended]
    progress, answered, ended = events
    assert isinstance(progress, Progress)
    assert (progress.code, progress.reason_phrase) == (
        180,
        "Ringing",
    )
    assert isinstance(answered, Answered)
    assert answered.codec == "PCMU"
    assert isinstance(ended, Ended)
    assert (ended.by, ended.code) == (EndedBy.LOCAL, 200)
    labels = [m.label for m in sipp.messages() if not m.sent]
    assert labels == ["INVITE", "ACK", "BYE"]
    assert journal.order == [
        *("planned", "sent INVITE", "received 180 INVITE", "received 200 INVITE"),
        *("confirmed", "sent ACK", "sent BYE", "received 200 BYE"),
    ]
    outcome = journal.outcomes[-1]
    assert outcome.code == 200
    assert outcome.ringing_at
    assert outcome.answered_at
    assert outcome.ended_at
    assert outcome.ringing_at <= outcome.answered_at <= outcome.ended_at


async def test_an_invite_says_everything_a_carrier_needs(
    channel: Channel, journal: MemoryJournal
) -> None:
    headers = (("X-CustomerID", "Åse 7"), ("P-Asserted-Identity", "<sip:+1@{local}>"))
    _, sipp = await call(
        channel,
        journal,
        "answers.xml",
        headers=headers,
        from_display='Ann "A" Ö',
        request_uri="sip:9977#+1555@carrier.example;transport=udp",
        codecs=("G729", "PCMA", "opus", "PCMU"),
    )
    invite = next(m for m in sipp.messages() if m.label == "INVITE")
    assert invite.start == "INVITE sip:9977#+1555@carrier.example;transport=udp SIP/2.0"
    assert invite.header("X-CustomerID").encode("latin-1") == "Åse 7".encode()
    assert invite.header("P-Asserted-Identity") == "<sip:+1@127.0.0.1>"
    display = '"Ann \\"A\\" Ö" <sip:+15550111@127.0.0.1>;tag='
    assert invite.header("From").encode("latin-1").startswith(display.encode())
    # No transport stands in a To (RFC 3261 table 1).
    assert invite.header("To") == "<sip:9977#+1555@carrier.example>"
    assert invite.header("Contact") == f"<sip:mesh@{channel.address}>"
    assert invite.header("Max-Forwards") == "70"
    assert invite.header("User-Agent") == "voipbin-mesh"
    assert "BYE" in invite.header("Allow")
    assert invite.header("Supported") == "timer"
    assert invite.header("Via").startswith(f"SIP/2.0/UDP {channel.address};branch=z9hG4bK")
    _, _, body = invite.text.partition("\n\n")
    lines = body.splitlines()
    media = next(line for line in lines if line.startswith("m="))
    assert media.split()[2:] == ["RTP/AVP", "18", "8", "96", "0", "101"]
    assert int(media.split()[1]) % 2 == 0
    for line in ("a=rtpmap:96 opus/48000/2", "a=ptime:20", "a=sendrecv", "a=fmtp:101 0-16"):
        assert line in lines


async def test_the_carrier_may_hang_up(channel: Channel, journal: MemoryJournal) -> None:
    async with Sipp("hangs_up.xml", free_udp_port()) as sipp:
        leg = channel.dial(a_target(sipp.port), journal)
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.REMOTE, 200)
        assert await sipp.exit_status() == 0, sipp.errors()


def digest_is_right(header: str, method: str) -> bool:
    """Check alice's digest by RFC 7616 section 3.4.1, with nothing of ours."""
    fields: dict[str, str] = dict(re.findall(r'(\w+)="?([^",]*)"?', header.removeprefix("Digest ")))

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    secret = md5(fields["username"], fields["realm"], "se cret")
    what = md5(method, fields["uri"])
    nonce = (fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"])
    return fields["username"] == "alice" and fields["response"] == md5(secret, *nonce, what)


@pytest.mark.parametrize(
    ("code", "header"), [("401", "Authorization"), ("407", "Proxy-Authorization")]
)
async def test_a_challenge_is_answered_once_after_its_ack(
    channel: Channel, journal: MemoryJournal, code: str, header: str
) -> None:
    events, sipp = await call(
        channel,
        journal,
        f"asks_{code}.xml",
        credentials=ALICE,
        headers=(("X-CustomerID", "7"),),
    )
    assert isinstance(events[-1], Ended)
    assert events[-1].code == 200
    first, ack, second = [m for m in sipp.messages() if not m.sent][:3]
    assert (first.label, ack.label, second.label) == ("INVITE", "ACK", "INVITE")
    for same in ("Call-ID", "From", "To", "X-CustomerID"):
        assert first.header(same) == second.header(same)
    assert (first.header("CSeq"), second.header("CSeq")) == ("1 INVITE", "2 INVITE")
    assert first.header("Via") != second.header("Via")
    assert first.header("Via") == ack.header("Via")
    assert [record.sequence for record in journal.planned] == [1, 2]
    assert journal.order[:6] == [
        *("planned", "sent INVITE", f"received {code} INVITE", "sent ACK"),
        *("planned", "sent INVITE"),
    ]
    assert digest_is_right(second.header(header), "INVITE")
    raw = b"".join(message.raw for message in journal.messages)
    assert b'response="' + b"*" * 32 + b'"' in raw


async def test_without_credentials_a_challenge_ends_the_leg(
    channel: Channel, journal: MemoryJournal
) -> None:
    async with Sipp("asks_401.xml", free_udp_port()) as sipp:
        ended = await end_of(channel.dial(a_target(sipp.port), journal))
    assert (ended.by, ended.code, ended.reason_phrase) == (EndedBy.REMOTE, 401, "Unauthorized")


@pytest.mark.parametrize(
    ("code", "reason"),
    [("486", "Busy Here"), ("503", "Service Unavailable"), ("603", "Decline")],
)
async def test_a_refusal_is_acknowledged_with_the_invites_own_branch(
    channel: Channel, journal: MemoryJournal, code: str, reason: str
) -> None:
    async with Sipp(f"refuses_{code}.xml", free_udp_port()) as sipp:
        ended = await end_of(channel.dial(a_target(sipp.port), journal))
        assert (ended.by, ended.code, ended.reason_phrase) == (EndedBy.REMOTE, int(code), reason)
        assert await sipp.exit_status() == 0, sipp.errors()
        (invite,), (ack,) = sipp.received("INVITE"), sipp.received("ACK")
    assert ack.header("Via") == invite.header("Via")
    assert ack.start == invite.start.replace("INVITE", "ACK", 1)
    assert ack.header("CSeq") == "1 ACK"
    assert "tag=" in ack.header("To")
    assert journal.outcomes[-1].code == int(code)
    assert journal.outcomes[-1].ended_at is not None


async def test_a_redirection_is_not_followed(channel: Channel, journal: MemoryJournal) -> None:
    elsewhere = free_udp_port()
    async with (
        Sipp("answers.xml", elsewhere) as other,
        Sipp("redirects.xml", free_udp_port(), elsewhere=str(elsewhere)) as sipp,
    ):
        ended = await end_of(channel.dial(a_target(sipp.port), journal))
        assert (ended.by, ended.code) == (EndedBy.REMOTE, 302)
        assert await sipp.exit_status() == 0, sipp.errors()
        assert other.messages() == []


async def test_early_media_is_progress_and_not_an_answer(
    channel: Channel, journal: MemoryJournal
) -> None:
    events, _ = await call(channel, journal, "early_media.xml")
    codes = [event.code for event in events if isinstance(event, Progress)]
    assert codes == [180, 183]
    assert journal.outcomes[0].trying_at is not None
    assert journal.outcomes[0].ringing_at is None


async def test_a_call_nobody_answers_is_cancelled(channel: Channel, journal: MemoryJournal) -> None:
    async with Sipp("never_answers.xml", free_udp_port()) as sipp:
        leg = channel.dial(a_target(sipp.port), journal)
        await until(leg, Progress)
        leg.hangup()
        leg.hangup()
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, 487)
        assert await sipp.exit_status() == 0, sipp.errors()
        (invite,), (cancel,) = sipp.received("INVITE"), sipp.received("CANCEL")
        (ack,) = sipp.received("ACK")
    for same in ("Via", "From", "To", "Call-ID"):
        assert cancel.header(same) == invite.header(same)
    assert cancel.header("CSeq") == "1 CANCEL"
    assert cancel.start.startswith("CANCEL sip:9+1555")
    assert ack.header("Via") == invite.header("Via")


async def test_a_recorded_route_is_followed_backwards(
    channel: Channel, journal: MemoryJournal
) -> None:
    _, sipp = await call(channel, journal, "record_routes.xml")
    for label in ("ACK", "BYE"):
        request = next(m for m in sipp.messages() if m.label == label)
        assert request.start == f"{label} sip:gw7@192.0.2.7:5090 SIP/2.0"
        assert request.lines("Route") == [
            f"<sip:127.0.0.1:{sipp.port};lr;ftag=x>",
            "<sip:far.example:5070;lr>",
        ]


async def test_a_strict_router_becomes_the_request_uri(
    channel: Channel, journal: MemoryJournal
) -> None:
    _, sipp = await call(channel, journal, "strict_router.xml")
    for label in ("ACK", "BYE"):
        request = next(m for m in sipp.messages() if m.label == label)
        assert request.start == f"{label} sip:127.0.0.1:{sipp.port} SIP/2.0"
        assert request.lines("Route") == ["<sip:gw7@192.0.2.7:5090>"]


async def test_requests_within_the_dialog_are_answered(
    channel: Channel, journal: MemoryJournal
) -> None:
    async with Sipp("asks_within.xml", free_udp_port()) as sipp:
        leg = channel.dial(a_target(sipp.port), journal)
        await until(leg, Answered)
        await sipp.until_received("200", times=5)
        leg.hangup()
        assert (await end_of(leg)).by is EndedBy.LOCAL
        assert await sipp.exit_status() == 0, sipp.errors()


async def test_a_challenged_bye_is_authenticated(channel: Channel, journal: MemoryJournal) -> None:
    events, sipp = await call(channel, journal, "asks_bye_407.xml", credentials=ALICE)
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert (ended.by, ended.detail) == (EndedBy.LOCAL, "")
    first, second = sipp.received("BYE")
    assert (first.header("CSeq"), second.header("CSeq")) == ("2 BYE", "3 BYE")
    assert digest_is_right(second.header("Proxy-Authorization"), "BYE")


async def test_compact_headers_are_understood(channel: Channel, journal: MemoryJournal) -> None:
    events, _ = await call(channel, journal, "compact.xml")
    assert [type(event) for event in events] == [Progress, Answered, Ended]


@pytest.mark.parametrize("scenario", ["no_sdp.xml", "broken_sdp.xml"])
async def test_an_answer_without_usable_sdp_is_acknowledged_and_ended_with_its_reason(
    channel: Channel, journal: MemoryJournal, scenario: str
) -> None:
    async with Sipp(scenario, free_udp_port()) as sipp:
        answered, ended = await rest(channel.dial(a_target(sipp.port), journal))
        assert isinstance(answered, Answered)
        assert answered.codec == journal.confirmed[0].codec == ""
        assert isinstance(ended, Ended)
        assert (ended.by, ended.media) == (EndedBy.ERROR, MediaFailure.NO_SDP)
        assert ended.detail.startswith("The carrier answered without a session description")
        assert await sipp.exit_status() == 0, sipp.errors()
        (bye,) = sipp.received("BYE")
        assert bye.header("Reason") == 'Q.850;cause=95;text="Invalid message"'
        outcome = journal.outcomes[-1]
        assert (outcome.q850, outcome.detail) == (ended.q850, ended.detail)


async def test_a_codec_we_cannot_encode_ends_the_call_honestly(
    channel: Channel, journal: MemoryJournal
) -> None:
    async with Sipp("picks_g729.xml", free_udp_port()) as sipp:
        leg = channel.dial(a_target(sipp.port, codecs=("G729", "PCMU")), journal)
        answered, ended = await rest(leg)
        assert isinstance(answered, Answered)
        assert answered.codec == "G729"
        assert isinstance(ended, Ended)
        assert (ended.by, ended.media) == (EndedBy.ERROR, MediaFailure.NOT_ENCODABLE)
        assert ended.detail.startswith("The carrier picked G729, which ")
        assert journal.confirmed[0].codec == "G729"
        assert await sipp.exit_status() == 0, sipp.errors()
