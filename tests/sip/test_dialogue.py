"""What a leg makes of odd carriers: reasons, early media, media that cannot be, other addresses."""

from __future__ import annotations

import pytest

from call_manager.channel import Q850, Answered, EndedBy, MediaFailure, Progress
from call_manager.sip.channel import SipChannel
from call_manager.sip.message import Headers
from call_manager.sip.requests import ALLOW
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import ALICE, a_target, end_of, rest, until
from tests.support.sip_core import AUDIO, HERE, THERE, a_call, a_leg
from tests.support.sip_peer import CONTENT, SDP, Reply, sip_peer

REASON: Headers = (("Reason", 'SIP;cause=503, Q.850;cause=34;text="No circuit available"'),)
NO_CIRCUIT = Q850(34, "No circuit available")
CHALLENGE: Headers = (("WWW-Authenticate", 'Digest realm="r", nonce="n"'),)
ALAW = AUDIO.replace(b"AVP 0", b"AVP 8")


async def test_the_cause_of_a_refusal_is_on_record(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        reason = f"Reason: {REASON[0][1]}"
        peer.reply(await peer.hear("INVITE"), Reply(486, "Busy", headers=(reason,)))
        ended = await end_of(leg)
        assert (ended.code, ended.q850) == (486, NO_CIRCUIT)
        outcome = journal.outcomes[-1]
        assert (outcome.code, outcome.q850) == (486, NO_CIRCUIT)
        assert outcome.first_response_at == outcome.ended_at is not None


async def test_the_cause_of_the_carrier_s_bye_is_on_record(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        peer.request("BYE", invite, extra=f"Reason: {REASON[0][1]}")
        ended = await end_of(leg)
        assert (ended.by, ended.code, ended.q850) == (EndedBy.REMOTE, 200, NO_CIRCUIT)
        assert journal.outcomes[-1].q850 == NO_CIRCUIT


async def test_our_cancel_and_our_bye_say_why(quick: SipChannel, journal: MemoryJournal) -> None:
    clearing = 'Q.850;cause=16;text="Normal call clearing"'
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180))
        await until(leg, Progress)
        leg.hangup()
        cancel = await peer.hear("CANCEL")
        assert cancel.header("Reason") == clearing
        peer.reply(cancel, Reply(200))
        peer.reply(invite, Reply(487))
        assert (await end_of(leg)).q850 is None, "the carrier's final answer named no cause"
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        await peer.answer()
        await until(leg, Answered)
        leg.hangup()
        bye = await peer.hear("BYE")
        assert bye.header("Reason") == clearing
        peer.reply(bye, Reply(200))
        assert (await end_of(leg)).q850 == Q850(16, "Normal call clearing")


def test_an_answer_nobody_chose_is_told_so() -> None:
    world = a_call()
    invite = world.last("INVITE")
    world.answer(invite, 200, body=AUDIO, tag="other")
    assert world.last("BYE").value("Reason").startswith("Q.850;cause=26")
    assert world.last("BYE").to_tag == "other"


def test_times_are_noted_as_they_come() -> None:
    world = a_leg()
    invite = world.last("INVITE")
    for code, body in [(100, b""), (180, b""), (183, AUDIO), (183, AUDIO), (200, AUDIO)]:
        world.answer(invite, code, body=body)
    outcome = world.outcomes[-1]
    times = (
        outcome.first_response_at,
        outcome.ringing_at,
        outcome.early_media_at,
        outcome.answered_at,
    )
    assert None not in times
    assert sorted(filter(None, times)) == list(times)
    assert len(set(times)) == 4
    assert outcome.trying_at == outcome.first_response_at
    assert [event.early_media for event in world.progress] == [False, True, True]


def test_a_first_answer_may_be_the_last() -> None:
    world = a_leg()
    world.answer(world.last("INVITE"), 404)
    assert world.outcomes[-1].first_response_at == world.outcomes[-1].ended_at
    assert world.outcomes[-1].trying_at is None


def test_early_media_is_heard_and_the_answer_wins() -> None:
    world = a_leg()
    invite = world.last("INVITE")
    world.answer(invite, 183, body=ALAW)
    assert [audio.codec for audio in world.played] == ["PCMA"]
    world.answer(invite, 183, body=ALAW)
    assert len(world.played) == 1, "what says nothing new changes nothing"
    world.answer(invite, 200, body=AUDIO)
    assert [audio.codec for audio in world.played] == ["PCMA", "PCMU"]
    assert world.confirmed[0].codec == "PCMU"


@pytest.mark.parametrize("body", [b"broken", AUDIO.replace(b"AVP 0", b"AVP 18"), b""])
def test_early_media_that_cannot_be_heard_is_none(body: bytes) -> None:
    world = a_leg(codecs=("PCMU", "G729"))
    world.answer(world.last("INVITE"), 183, body=body)
    assert (world.played, world.progress[0].early_media) == ([], False)
    assert world.outcomes[-1].early_media_at is None
    world.answer(world.last("INVITE"), 200, body=AUDIO)
    assert world.answered()
    assert len(world.played) == 1


def test_an_answer_without_sdp_means_what_its_own_early_media_said() -> None:
    world = a_leg()
    invite = world.last("INVITE")
    world.answer(invite, 183, body=ALAW)
    world.answer(invite, 200)
    assert world.confirmed[0].codec == "PCMA"
    assert world.count("BYE") == 0
    other = a_leg()
    other.answer(other.last("INVITE"), 183, body=ALAW, tag="somebody else")
    other.answer(other.last("INVITE"), 200)
    assert other.count("BYE") == 1


def test_what_early_media_a_fork_may_make_us_remember_is_bounded() -> None:
    world = a_leg()
    for number in range(50):
        world.answer(world.last("INVITE"), 183, body=AUDIO, tag=f"phone{number}")
    assert len(world.played) == 8
    assert len(world.progress) == 50


@pytest.mark.parametrize(
    ("body", "failure", "words", "cause"),
    [
        (b"", MediaFailure.NO_SDP, "without a session description", 95),
        (b"v=0\r\nm=audio", MediaFailure.NO_SDP, "without a session description", 95),
        (
            AUDIO.replace(b"AVP 0 101", b"AVP 3 101"),
            MediaFailure.NO_COMMON_CODEC,
            "takes GSM, none of the offered codecs (G729, PCMU)",
            65,
        ),
        (
            AUDIO.replace(b"AVP 0 101", b"AVP 101"),
            MediaFailure.NO_COMMON_CODEC,
            "takes none of the offered codecs",
            65,
        ),
        (
            AUDIO.replace(b"m=audio 4000", b"m=audio 0"),
            MediaFailure.NO_COMMON_CODEC,
            "refuses the audio (port 0)",
            65,
        ),
        (AUDIO.replace(b"AVP 0", b"AVP 18"), MediaFailure.NOT_ENCODABLE, "picked G729", 65),
    ],
)
def test_an_answer_that_lets_nothing_be_heard_ends_honestly(
    body: bytes, failure: MediaFailure, words: str, cause: int
) -> None:
    world = a_call(body=body, codecs=("G729", "PCMU"))
    assert world.count("ACK") == 1
    assert world.answered()
    assert world.played == []
    bye = world.last("BYE")
    assert bye.value("Reason").startswith(f"Q.850;cause={cause};")
    world.answer(bye, 200)
    ended = world.ended
    assert (ended.by, ended.code, ended.media) == (EndedBy.ERROR, 200, failure)
    assert words in ended.detail
    assert ended.detail.endswith(".")
    assert ended.q850 is not None
    assert ended.q850.cause == cause
    assert world.outcomes[-1].detail == ended.detail


def test_a_hangup_does_not_hide_why_the_call_had_ended_already() -> None:
    world = a_call(body=b"")
    world.hang_up()
    world.answer(world.last("BYE"), 200)
    assert world.ended.media is MediaFailure.NO_SDP
    assert world.count("BYE") == 1


def test_a_503_sends_us_to_the_next_address_with_nothing_of_the_first() -> None:
    world = a_leg(destinations=(HERE, THERE), credentials=ALICE)
    world.answer(world.last("INVITE"), 401, CHALLENGE)
    assert world.last("INVITE").value("Authorization")
    world.answer(world.last("INVITE"), 503, REASON)
    last = world.last("INVITE")
    assert last.value("Authorization") == ""
    assert [record.remote_address for record in world.planned] == [
        *("127.0.0.1:5060", "127.0.0.1:5060", "127.0.0.2:5060")
    ]
    assert [record.sequence for record in world.planned] == [1, 2, 3]
    assert [o.q850 for o in world.outcomes if o.code == 503] == [NO_CIRCUIT]
    world.answer(last, 401, CHALLENGE)
    world.answer(world.last("INVITE"), 200, body=AUDIO)
    assert world.answered()


@pytest.mark.parametrize("code", [180, 183])
def test_a_503_after_it_rang_rings_nobody_else(code: int) -> None:
    world = a_leg(destinations=(HERE, THERE))
    world.answer(world.last("INVITE"), code)
    world.answer(world.last("INVITE"), 503)
    assert (world.count("INVITE"), world.ended.code, world.ended.reached) == (1, 503, True)


def test_a_503_after_our_cancel_is_the_end() -> None:
    world = a_leg(destinations=(HERE, THERE))
    world.answer(world.last("INVITE"), 100)
    world.hang_up()
    world.answer(world.last("CANCEL"), 200)
    world.answer(world.last("INVITE"), 503)
    assert (world.count("INVITE"), world.ended.by) == (1, EndedBy.LOCAL)


@pytest.mark.parametrize("code", [302, 404, 486, 500, 504, 603])
def test_other_refusals_are_not_asked_about_elsewhere(code: int) -> None:
    world = a_leg(destinations=(HERE, THERE))
    world.answer(world.last("INVITE"), code, (("Contact", "<sip:evil@127.0.0.9>"),))
    assert (world.count("INVITE"), world.ended.code) == (1, code)


def test_the_last_word_is_the_one_that_was_spoken() -> None:
    world = a_leg(destinations=(HERE, THERE))
    world.answer(world.last("INVITE"), 503, REASON)
    world.unreachable()
    ended = world.ended
    assert (ended.by, ended.code, ended.reached) == (EndedBy.REMOTE, 503, True)
    assert "cannot be reached" in ended.detail
    assert world.outcomes[-1].code is None
    assert "cannot be reached" in world.outcomes[-1].detail


def test_addresses_that_all_cannot_be_reached_are_no_call() -> None:
    world = a_leg(destinations=(HERE, THERE))
    world.unreachable()
    world.unreachable()
    ended = world.ended
    assert (ended.by, ended.code, ended.reached) == (EndedBy.ERROR, None, False)
    assert [o.detail for o in world.outcomes] == [ended.detail] * 2


async def test_the_answer_in_an_acknowledgement_is_heeded(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    """A re-INVITE without an offer gets ours; the ACK's answer is heeded."""
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        peer.request("INVITE", invite, cseq=1)
        offer = (await peer.hear("200")).body
        assert "m=audio" in offer
        wrong = SDP.format(port=9).replace("AVP 0", "AVP 3")
        peer.request("ACK", invite, cseq=1, extra=f"{CONTENT}\r\n\r\n{wrong}")
        bye = await peer.hear("BYE")
        assert bye.header("Reason").startswith("Q.850;cause=65")
        peer.reply(bye, Reply(200))
        answered, ended = await rest(leg)
        assert isinstance(answered, Answered)
        assert ended.by is EndedBy.ERROR  # type: ignore[union-attr]


def test_an_acknowledgement_without_its_answer_changes_nothing() -> None:
    world = a_call()
    world.ask("INVITE", 1)
    world.ask("ACK", 1)
    assert world.count("BYE") == 0
    world.ask("INVITE", 2)
    world.ask("ACK", 2, body=ALAW)
    assert world.played[-1].codec == "PCMA"


def test_our_description_gets_a_new_version_exactly_when_it_changes() -> None:
    world = a_call()

    def asked(cseq: int, body: bytes) -> tuple[str, bytes]:
        world.ask("INVITE", cseq, body=body)
        world.ask("ACK", cseq)
        text = world.said.body
        return text.split(b"\r\n")[1].split()[2].decode(), text

    first, again = asked(1, AUDIO), asked(2, AUDIO)
    held, resumed = asked(3, AUDIO + b"a=sendonly\r\n"), asked(4, AUDIO)
    assert first == again
    assert [first[0], held[0], resumed[0]] == ["2", "3", "4"]
    assert b"a=recvonly" in held[1]


def test_a_re_invite_with_a_codec_nobody_speaks_is_refused_and_the_call_goes_on() -> None:
    world = a_call(codecs=("PCMU", "G729"))
    world.ask("INVITE", 1, body=AUDIO.replace(b"AVP 0", b"AVP 18"))
    assert world.said.code == 488
    assert len(world.played) == 1
    world.ask("BYE", 2)
    assert world.said.code == 200


@pytest.mark.parametrize(
    ("method", "headers", "body", "code"),
    [
        ("OPTIONS", (), b"", 200),
        ("INFO", (("Content-Type", "application/dtmf-relay"),), b"Signal=1", 200),
        ("MESSAGE", (), b"", 405),
        ("REFER", (), b"", 405),
        ("PRACK", (), b"", 405),
        ("INVITE", (("Content-Type", "application/unknown"),), b"x", 415),
        ("UPDATE", (("Content-Encoding", "gzip"),), AUDIO, 415),
        ("INVITE", (("Require", "100rel"),), AUDIO, 420),
        ("OPTIONS", (("Require", "nothing"),), b"", 420),
        ("UPDATE", (("Content-Disposition", "icon;handling = optional"),), AUDIO, 200),
    ],
)
def test_requests_within_a_call_get_what_rfc_3261_8_2_owes_them(
    method: str, headers: Headers, body: bytes, code: int
) -> None:
    world = a_call()
    world.ask(method, 1, headers, body)
    said = world.said
    assert said.code == code
    if code == 405:
        assert said.values("Allow") == ALLOW.split(", ")
    if code == 415:
        assert said.value("Accept") == "application/sdp"
    if (method, code) == ("OPTIONS", 200):
        assert said.values("Supported") == ["timer"]
        assert said.value("Accept") == "application/sdp"
        assert "UPDATE" in said.values("Allow")
    assert world.core.ended is False


def test_a_request_that_comes_by_two_ways_is_a_loop() -> None:
    world = a_call()
    world.ask("OPTIONS", 5, inside=False)
    assert world.said.code == 200
    world.ask("OPTIONS", 5, inside=False)
    assert world.said.code == 482
    world.ask("OPTIONS", 6, inside=False)
    assert world.said.code == 200
