"""What the network does to a leg: lost, late, repeated and foreign datagrams."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from call_manager.channel import Answered, EndedBy, Progress
from call_manager.sip.channel import SipChannel
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import QUICK_T1_S, a_target, end_of, settings, until
from tests.support.sip_peer import CONTENT, SDP, Heard, Reply, SipPeer, sip_peer

OK = Reply(200, "OK", headers=(CONTENT,), body=SDP.format(port=9))
TIMER_B_S = 64 * QUICK_T1_S


async def test_a_lost_invite_is_sent_again(quick: SipChannel, journal: MemoryJournal) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        lost = await peer.hear("INVITE")
        second = await peer.hear("INVITE")
        assert second.raw == lost.raw
        peer.reply(second, OK)
        await until(leg, Answered)
        assert len(journal.planned) == 1
        assert len(journal.sent("INVITE")) == peer.count("INVITE")


async def test_invites_double_their_pause_and_stop_at_timer_b(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        started = asyncio.get_running_loop().time()
        ended = await end_of(quick.dial(a_target(peer.port), journal))
        elapsed_s = asyncio.get_running_loop().time() - started
        assert (ended.by, ended.code) == (EndedBy.TIMEOUT, None)
        assert TIMER_B_S <= elapsed_s < TIMER_B_S + 1
        # Of the seven, the last leaves one T1 before Timer B, which a late loop may fire first.
        assert [heard.label for heard in peer.heard] in (["INVITE"] * 6, ["INVITE"] * 7)
        times = [heard.at for heard in peer.heard]
        pauses = [late - early for early, late in itertools.pairwise(times)]
        expected = [QUICK_T1_S * 2**n for n in range(6)]
        assert all(p >= e * 0.9 for p, e in zip(pauses, expected, strict=False))
        assert journal.outcomes[-1].ended_at is not None
        assert journal.outcomes[-1].code is None


async def test_a_provisional_stops_the_repetition_and_timer_b(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        peer.reply(await peer.hear("INVITE"), Reply(100, "Trying", to_tag=None, contact=False))
        assert await peer.silence(TIMER_B_S + 0.2) == []
        peer.reply(peer.heard[0], Reply(486, "Busy Here"))
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.REMOTE, 486)


async def test_a_lost_bye_is_sent_again(quick: SipChannel, journal: MemoryJournal) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        await peer.answer()
        leg.hangup()
        lost = await peer.hear("BYE")
        again = await peer.hear("BYE")
        assert again.raw == lost.raw
        peer.reply(again, Reply(200, "OK"))
        assert (await end_of(leg)).detail == ""


async def test_a_peer_that_vanished_does_not_hold_the_leg(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        await peer.answer()
        leg.hangup()
        ended = await end_of(leg, within_s=TIMER_B_S + 1)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, 200)
        assert "never answered our BYE" in ended.detail


async def test_every_repeated_answer_is_acknowledged_even_when_it_differs(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        peer.reply(invite, OK)
        first = await peer.hear("ACK")
        peer.reply(invite, Reply(200, "Fine", headers=("X-Late: 1",)))
        second = await peer.hear("ACK")
        assert first.raw == second.raw == peer.heard[1].raw
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200, "OK"))
        await end_of(leg)
        peer.reply(invite, OK)  # Its ACK was lost, and the call is over already.
        await peer.hear("ACK")
        assert len(journal.confirmed) == 1


async def test_a_repeated_final_refusal_is_acknowledged_again(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(486))
        first = await peer.hear("ACK")
        await end_of(leg)
        peer.reply(invite, Reply(486))
        assert (await peer.hear("ACK")).raw == first.raw


async def test_a_repeated_bye_of_the_peer_gets_the_same_answer(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        peer.request("BYE", invite)
        first = await peer.hear("200")
        assert (await end_of(leg)).by is EndedBy.REMOTE
        peer.send(journal.messages[-2].raw, invite.source)
        assert (await peer.hear("200")).raw == first.raw


async def test_garbage_changes_nothing(quick: SipChannel) -> None:
    journal = MemoryJournal()
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        call_id = f"Call-ID: {invite.header('Call-ID')}\r\n"
        for garbage in _garbage(invite, call_id):
            peer.send(garbage, invite.source)
        peer.reply(invite, OK)
        await peer.hear("ACK")
        await until(leg, Answered)
        for garbage in _garbage(invite, call_id):
            peer.send(garbage, invite.source)
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200, "OK"))
        assert (await end_of(leg)).by is EndedBy.LOCAL
        kept = [message for message in journal.messages if b"\xff\xfe" in message.raw]
        assert kept, "what came with our Call-ID is on record, readable or not"


def _garbage(invite: Heard, call_id: str) -> list[bytes]:
    random.seed(7)
    via = f"Via: {invite.header('Via')}\r\n"
    status = "SIP/2.0 200 OK\r\n"
    return [
        *(b"", b"\r\n\r\n", b"\0" * 40, b"SIP/2.0", b"INVITE", random.randbytes(1400)),
        call_id.encode() + b"\xff\xfe",
        (status + call_id + "\r\n").encode(),
        (status + via + call_id + "CSeq: 99999999999999999999 INVITE\r\n\r\n").encode(),
        (status + via + call_id + "CSeq: 1 INVITE\r\nFrom: <\r\nTo: >\r\n\r\n").encode(),
        (f"SIP/2.0 9999 No\r\n{via}{call_id}\r\n").encode(),
        (f"BYE sip:x SIP/2.0\r\n{call_id}CSeq: 1 BYE\r\n\r\n").encode(),
    ]


async def test_a_missing_to_tag_is_no_obstacle(quick: SipChannel, journal: MemoryJournal) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        peer.reply(invite, Reply(180, "Ringing", to_tag=None))
        await until(leg, Progress)
        peer.reply(invite, Reply(200, "OK", to_tag=None))
        ack = await peer.hear("ACK")
        assert "tag=" not in ack.header("To")
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200, "OK", to_tag=None))
        assert (await end_of(leg)).code == 200


async def test_foreign_bytes_come_back_unchanged(quick: SipChannel, journal: MemoryJournal) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.hear("INVITE")
        lines = [
            b"SIP/2.0 486 Occup\xe9",
            *(f"{name}: {invite.header(name)}".encode() for name in ("Via", "From", "Call-ID")),
            b'To: "Caf\xe9" <sip:x@carrier.example>;tag=q',
            b"CSeq: 1 INVITE",
            b"",
            b"",
        ]
        peer.send(b"\n".join(lines), invite.source)  # LF only, too.
        ack = await peer.hear("ACK")
        assert b'To: "Caf\xe9" <sip:x@carrier.example>;tag=q\r\n' in ack.raw
        assert (await end_of(leg)).reason_phrase == "Occupé"


async def test_ten_percent_loss_both_ways_ends_every_call_as_answered(
    journal: MemoryJournal,
) -> None:
    """Each direction loses one datagram in ten; retransmission must hide all of it."""
    channel = SipChannel(settings(0.05))
    await channel.start()
    dice = random.Random(11)
    async with sip_peer() as peer:
        robot = asyncio.create_task(_lossy_phone(peer, dice))
        legs = [channel.dial(a_target(peer.port), journal) for _ in range(40)]

        async def one(index: int) -> int | None:
            await until(legs[index], Answered)
            legs[index].hangup()
            return (await end_of(legs[index])).code

        try:
            codes = await asyncio.gather(*(one(index) for index in range(len(legs))))
        finally:
            robot.cancel()
            await channel.stop(grace_s=0)
    assert codes == [200] * 40


async def _lossy_phone(peer: SipPeer, dice: random.Random) -> None:
    """A phone that loses messages, and repeats its 200 until the ACK as it must."""
    acknowledged: set[str] = set()

    async def insist(invite: Heard) -> None:
        pause_s = 0.05
        for _ in range(8):
            if invite.header("Call-ID") in acknowledged:
                return
            if dice.random() > 0.1:
                peer.reply(invite, OK)
            await asyncio.sleep(pause_s)
            pause_s = min(0.4, 2 * pause_s)

    seen = 0
    insisting: dict[str, asyncio.Task[None]] = {}
    while True:
        await asyncio.sleep(0.005)
        for heard in peer.heard[seen:]:
            seen += 1
            call_id = heard.header("Call-ID")
            if dice.random() < 0.1:
                continue
            if heard.label == "INVITE" and call_id not in insisting:
                insisting[call_id] = asyncio.create_task(insist(heard))
            elif heard.label == "ACK":
                acknowledged.add(call_id)
            elif heard.label == "BYE" and dice.random() > 0.1:
                peer.reply(heard, Reply(200, "OK"))


@pytest.mark.parametrize("label", ["INVITE", "ACK", "BYE"])
async def test_everything_sent_is_on_record_byte_for_byte(
    quick: SipChannel, journal: MemoryJournal, label: str
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        await peer.answer()
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200, "OK"))
        await end_of(leg)
        heard = [h.raw for h in peer.heard if h.label == label]
        assert heard == [message.raw for message in journal.sent(label)]
        assert all(m.remote_address == f"127.0.0.1:{peer.port}" for m in journal.messages)
