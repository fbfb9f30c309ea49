"""Session timers (RFC 4028): asked for, agreed on, kept, and missed when nobody keeps them."""

from __future__ import annotations

import asyncio

import pytest

from call_manager.channel import Q850, Answered, Ended, EndedBy
from call_manager.sip.channel import SipChannel
from call_manager.sip.message import Headers, q850_of
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import ALICE, a_target, end_of, settings, until
from tests.support.sip_core import AUDIO, SipWorld, a_call, a_leg
from tests.support.sip_peer import CONTENT, SDP, Reply, sip_peer

TIMER: Headers = (("Supported", "timer"), ("Session-Expires", "1800;refresher=uac"))
BY_PEER: Headers = (("Supported", "timer"), ("Session-Expires", "1800;refresher=uas"))
UPDATES: Headers = (("Allow", "INVITE, BYE, UPDATE"),)
CHALLENGE: Headers = (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),)


def timers_of(world: SipWorld) -> set[str]:
    names = {key.transaction.partition(" ")[0] for key in world.timers}
    return names & {"refresh", "expiry"}


def test_timers_are_always_understood_and_asked_for_when_wanted() -> None:
    silent, wanting = a_leg().last("INVITE"), a_leg(session_expires_s=1800).last("INVITE")
    assert silent.values("Supported") == wanting.values("Supported") == ["timer"]
    assert silent.value("Session-Expires") == silent.value("Min-SE") == ""
    assert (wanting.value("Session-Expires"), wanting.value("Min-SE")) == ("1800", "90")


def test_a_422_is_followed_once_with_the_carrier_s_minimum() -> None:
    world = a_leg(session_expires_s=600)
    first = world.last("INVITE")
    world.answer(first, 422, (("Min-SE", "1200"),))
    second = world.last("INVITE")
    assert (second.value("Session-Expires"), second.value("Min-SE")) == ("1200", "1200")
    assert second.call_id == first.call_id
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert [record.sequence for record in world.planned] == [1, 2]
    world.answer(second, 422, (("Min-SE", "2400"),))
    assert (world.count("INVITE"), world.ended.code) == (2, 422)


@pytest.mark.parametrize("least", ["", "600", "90", "soon"])
def test_a_422_that_names_nothing_longer_ends_the_leg(least: str) -> None:
    world = a_leg(session_expires_s=600)
    world.answer(world.last("INVITE"), 422, (("Min-SE", least),))
    assert (world.count("INVITE"), world.ended.code) == (1, 422)


def test_a_leg_that_asked_for_nothing_follows_no_422() -> None:
    world = a_leg()
    world.answer(world.last("INVITE"), 422, (("Min-SE", "1200"),))
    assert world.ended.code == 422


def test_a_challenge_and_a_422_are_both_heeded_in_either_order() -> None:
    world = a_leg(session_expires_s=600, credentials=ALICE)
    world.answer(world.last("INVITE"), 422, (("Min-SE", "1200"),))
    world.answer(world.last("INVITE"), 401, CHALLENGE)
    last = world.last("INVITE")
    assert (last.value("Session-Expires"), last.cseq.number) == ("1200", 3)
    assert "nc=00000001" in last.value("Authorization")
    world = a_leg(session_expires_s=600, credentials=ALICE)
    world.answer(world.last("INVITE"), 401, CHALLENGE)
    world.answer(world.last("INVITE"), 422, (("Min-SE", "1200"),))
    last = world.last("INVITE")
    assert (last.value("Session-Expires"), last.cseq.number) == ("1200", 3)
    assert "nc=00000002" in last.value("Authorization")


@pytest.mark.parametrize("wanted_s", [0, 1800])
@pytest.mark.parametrize(
    ("headers", "running"),
    [((), set()), (TIMER, {"refresh", "expiry"}), (BY_PEER, {"expiry"})],
)
def test_the_answer_alone_decides_who_refreshes(
    wanted_s: int, headers: Headers, running: set[str]
) -> None:
    world = a_call(headers, session_expires_s=wanted_s)
    assert timers_of(world) == running


def test_a_session_is_refreshed_by_update_where_the_peer_allows_it() -> None:
    world = a_call((*TIMER, *UPDATES))
    assert (world.seconds("refresh"), world.seconds("expiry")) == (900, 1768)
    world.fire("refresh")
    update = world.last("UPDATE")
    assert update.value("Session-Expires") == "1800;refresher=uac"
    assert (update.body, update.cseq.number) == (b"", 2)
    assert update.value("Contact") == world.last("INVITE").value("Contact")
    world.answer(update, 200, TIMER)
    assert (world.seconds("refresh"), world.seconds("expiry")) == (900, 1768)
    world.fire("refresh")
    assert world.last("UPDATE").cseq.number == 3


def test_a_session_is_refreshed_by_an_unchanged_re_invite_elsewhere() -> None:
    world = a_call(TIMER)
    invite = world.last("INVITE")
    world.fire("refresh")
    again = world.last("INVITE")
    assert (again.cseq.number, again.to_tag, again.body) == (2, "peer", invite.body)
    assert again.value("Content-Type") == "application/sdp"
    acks = world.count("ACK")
    for _ in range(2):  # The second is a repetition: its ACK was lost.
        world.answer(again, 200, TIMER, AUDIO)
    assert world.count("ACK") == acks + 2
    assert world.last("ACK").cseq.number == 2
    assert timers_of(world) == {"refresh", "expiry"}
    assert not world.planned[1:], "a refresh is no attempt"


def test_a_re_invite_may_move_the_audio_and_the_peer() -> None:
    world = a_call(TIMER)
    world.fire("refresh")
    moved = AUDIO.replace(b"m=audio 4000", b"m=audio 4002")
    world.answer(world.last("INVITE"), 200, (*TIMER, ("X", "y")), moved)
    assert world.played[-1].address == ("127.0.0.1", 4002)
    world.fire("refresh")
    world.answer(world.last("INVITE"), 200, TIMER, b"nothing to read")
    assert world.played[-1].address == ("127.0.0.1", 4002)


def test_an_answer_without_a_timer_turns_it_off() -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    world.answer(world.last("UPDATE"), 200)
    assert timers_of(world) == set()


def test_a_refresh_is_authenticated_when_asked() -> None:
    world = a_call((*TIMER, *UPDATES), credentials=ALICE)
    world.fire("refresh")
    world.answer(world.last("UPDATE"), 401, CHALLENGE)
    second = world.last("UPDATE")
    assert second.value("Authorization").startswith("Digest ")
    assert second.cseq.number == 3
    world.answer(second, 401, CHALLENGE)
    assert world.count("UPDATE") == 2, "a refused password is not repeated at once"
    assert timers_of(world) == {"refresh", "expiry"}


def test_a_refresh_that_is_too_short_is_repeated_longer() -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    world.answer(world.last("UPDATE"), 422, (("Min-SE", "3600"),))
    again = world.last("UPDATE")
    assert again.value("Session-Expires") == "3600;refresher=uac"
    assert again.value("Min-SE") == "3600"


def test_a_carrier_that_always_wants_longer_is_not_followed_for_ever() -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    for number in range(20):
        world.answer(world.last("UPDATE"), 422, (("Min-SE", str(3600 + number)),))
    assert world.count("UPDATE") == 4


@pytest.mark.parametrize("code", [405, 501])
def test_who_claims_update_and_refuses_it_is_asked_by_re_invite(code: int) -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    world.answer(world.last("UPDATE"), code)
    assert (world.count("UPDATE"), world.count("INVITE")) == (1, 2)


def test_glare_is_waited_out() -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    world.answer(world.last("UPDATE"), 491)
    assert 2.1 <= world.seconds("refresh") <= 4.0
    world.fire("refresh")
    assert world.count("UPDATE") == 2


@pytest.mark.parametrize(("headers", "pause_s"), [((), 225), ((("Retry-After", "300"),), 300)])
def test_any_other_refusal_lets_the_session_live_until_it_expires(
    headers: Headers, pause_s: float
) -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    world.answer(world.last("UPDATE"), 500, headers)
    assert world.seconds("refresh") == pause_s
    world.fire("expiry")
    assert world.last("BYE").value("Reason").startswith("Q.850;cause=102")
    world.answer(world.last("BYE"), 200)
    assert world.ended.by is EndedBy.TIMEOUT
    assert "not refreshed within its 1800 s" in world.ended.detail


@pytest.mark.parametrize(("code", "words"), [(408, "knows no call"), (481, "knows no call")])
def test_a_refresh_that_finds_no_call_ends_it(code: int, words: str) -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    world.answer(world.last("UPDATE"), code)
    world.answer(world.last("BYE"), 481)
    assert (world.ended.by, world.ended.code) == (EndedBy.TIMEOUT, 200)
    assert str(code) in world.ended.detail
    assert words in world.ended.detail
    assert timers_of(world) == set()
    assert world.outcomes[-1].detail == world.ended.detail


@pytest.mark.parametrize("headers", [TIMER, (*TIMER, *UPDATES)])
def test_a_refresh_nobody_answers_ends_the_call(headers: Headers) -> None:
    world = a_call(headers)
    world.fire("refresh")
    world.time_out("F" if len(headers) > len(TIMER) else "B")
    world.answer(world.last("BYE"), 200)
    assert world.ended.by is EndedBy.TIMEOUT
    assert "did not answer when the session was refreshed" in world.ended.detail


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_the_peer_s_refresh_is_agreed_to_and_starts_the_clock_anew(method: str) -> None:
    world = a_call(BY_PEER)
    body = AUDIO if method == "INVITE" else b""
    asked = (("Supported", "timer"), ("Session-Expires", "600;refresher=uac"))
    world.ask(method, 1, asked, body)
    said = world.said
    assert (said.code, said.value("Session-Expires")) == (200, "600;refresher=uac")
    assert said.value("Require") == "timer"
    assert world.seconds("expiry") == 568
    assert timers_of(world) == {"expiry"}


def test_the_peer_may_hand_the_refreshing_to_us() -> None:
    world = a_call(BY_PEER)
    world.ask("UPDATE", 1, (("Supported", "timer"), ("Session-Expires", "600;refresher=uas")))
    assert world.said.value("Session-Expires") == "600;refresher=uas"
    assert world.seconds("refresh") == 300


def test_a_timer_we_asked_for_outlives_a_re_invite_that_does_not_speak_of_it() -> None:
    wanted = a_call(BY_PEER, session_expires_s=1800)
    wanted.ask("INVITE", 1, (("Supported", "timer"),), AUDIO)
    assert wanted.said.value("Session-Expires") == "1800;refresher=uac"
    theirs = a_call(BY_PEER)
    theirs.ask("INVITE", 1, (("Supported", "timer"),), AUDIO)
    assert theirs.said.value("Session-Expires") == ""
    assert timers_of(theirs) == set()


def test_a_peer_s_interval_that_is_too_short_is_refused() -> None:
    world = a_call(BY_PEER)
    world.ask("UPDATE", 1, (("Supported", "timer"), ("Session-Expires", "30;refresher=uac")))
    assert (world.said.code, world.said.value("Min-SE")) == (422, "90")
    assert world.seconds("expiry") == 1768


def test_a_session_the_peer_forgets_is_ended_before_it_expires() -> None:
    world = a_call(BY_PEER)
    world.fire("expiry")
    bye = world.last("BYE")
    world.answer(bye, 200)
    assert world.ended.by is EndedBy.TIMEOUT
    assert world.ended.q850 == q850_of(bye) == Q850(102, "Recovery on timer expiry")


def test_required_timers_are_no_reason_to_refuse() -> None:
    world = a_call()
    world.ask("UPDATE", 1, (("Require", "timer"), ("Session-Expires", "1800;refresher=uac")))
    assert (world.said.code, world.said.value("Require")) == (200, "timer")
    world.ask("UPDATE", 2, (("Require", "timer, 100rel, precondition"),))
    assert world.said.code == 420
    assert world.said.values("Unsupported") == ["100rel", "precondition"]


def test_offers_that_meet_are_refused_until_one_is_answered() -> None:
    world = a_call(TIMER)
    world.fire("refresh")
    world.ask("INVITE", 1, (), AUDIO)
    assert world.said.code == 491
    world.ask("UPDATE", 2, (), AUDIO)
    assert world.said.code == 491
    world.ask("UPDATE", 3)
    assert world.said.code == 200, "one that offers nothing meets nothing"
    world.answer(world.last("INVITE"), 200, TIMER, AUDIO)
    world.ask("INVITE", 4, (), AUDIO)
    assert world.said.code == 200


def test_a_refresh_waits_until_the_peer_s_re_invite_is_acknowledged() -> None:
    world = a_call(TIMER)
    world.ask("INVITE", 1, (*TIMER[:1], ("Session-Expires", "600;refresher=uas")), AUDIO)
    world.fire("refresh")
    assert world.count("INVITE") == 1
    assert 2.1 <= world.seconds("refresh") <= 4.0
    world.ask("ACK", 1)
    world.fire("refresh")
    assert world.count("INVITE") == 2


def test_nothing_is_refreshed_once_a_bye_was_sent() -> None:
    world = a_call((*TIMER, *UPDATES))
    world.fire("refresh")
    world.hang_up()
    update, bye = world.last("UPDATE"), world.last("BYE")
    world.answer(update, 481)
    assert world.count("BYE") == 1
    world.answer(bye, 200)
    assert (world.ended.by, world.ended.detail) == (EndedBy.LOCAL, "")
    assert timers_of(world) == set()


async def refreshed(channel: SipChannel, allow: str, method: str) -> list[str]:
    """Place a call whose session we must refresh; returns who ended it and how."""
    async with sip_peer() as peer:
        leg = channel.dial(a_target(peer.port, session_expires_s=4), MemoryJournal())
        headers = (CONTENT, "Session-Expires: 4;refresher=uac", f"Allow: {allow}")
        invite = await peer.answer(reply=Reply(200, headers=headers, body=SDP.format(port=9)))
        assert invite.header("Session-Expires") == "4"
        await until(leg, Answered)
        refresh = await peer.hear(method)
        assert refresh.header("Session-Expires") == "4;refresher=uac"
        body = SDP.format(port=9) if method == "INVITE" else ""
        kind = (CONTENT,) if body else ()
        peer.reply(refresh, Reply(200, headers=(*headers[1:], *kind), body=body))
        if method == "INVITE":
            await peer.hear("ACK")
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        ended = await end_of(leg)
        return [ended.by.value, ended.detail]


async def forgotten(channel: SipChannel) -> Ended:
    """Place a call whose session the peer must refresh, and does not."""
    async with sip_peer() as peer:
        leg = channel.dial(a_target(peer.port), MemoryJournal())
        headers = (CONTENT, "Session-Expires: 3;refresher=uas")
        await peer.answer(reply=Reply(200, headers=headers, body=SDP.format(port=9)))
        bye = await peer.hear("BYE")
        assert bye.header("Reason").startswith("Q.850;cause=102")
        peer.reply(bye, Reply(200))
        return await end_of(leg)


async def test_sessions_are_kept_and_missed_on_the_wire() -> None:
    """All at once, since each takes some seconds of real time."""
    channel = SipChannel(settings(0.01))
    await channel.start()
    try:
        by_update, by_invite, ended = await asyncio.gather(
            refreshed(channel, "INVITE, UPDATE", "UPDATE"),
            refreshed(channel, "INVITE", "INVITE"),
            forgotten(channel),
        )
    finally:
        await channel.stop(grace_s=0.2)
    assert by_update == by_invite == ["local", ""]
    assert ended.by is EndedBy.TIMEOUT
    assert "not refreshed within its 3 s" in ended.detail
