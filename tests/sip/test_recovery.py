"""What a new process does with the legs a dead one left, holding only their rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from call_manager.channel import (
    Q850,
    Answered,
    AttemptState,
    DialogRecord,
    Progress,
    StoredAttempt,
)
from call_manager.sip.channel import STRANGERS_BYTES_MAX, SipChannel
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import ALICE, QUICK_T1_S, a_target, settings, until
from tests.support.sip_peer import CONTENT, SDP, Heard, Reply, SipPeer, sip_peer
from tests.support.sipp import Sipp, free_udp_port

OK = Reply(200, "OK", headers=(CONTENT,), body=SDP.format(port=9))


class Crashed:
    """A channel that died: its socket is gone, its journal is what is left."""

    def __init__(self, journal: MemoryJournal, address: str) -> None:
        self.journal = journal
        self.address = address

    def stored(self) -> list[StoredAttempt]:
        dialogs = {record.attempt_id: record for record in self.journal.confirmed}
        ended = {o.attempt_id for o in self.journal.outcomes if o.ended_at is not None}
        return [
            StoredAttempt(
                record,
                dialogs.get(record.attempt_id),
                AttemptState.ENDED
                if record.attempt_id in ended
                else AttemptState.CONFIRMED
                if record.attempt_id in dialogs
                else AttemptState.INVITING,
            )
            for record in self.journal.planned
        ]

    @asynccontextmanager
    async def restarted(
        self, *, lab: bool = True, legs_max: int = 100
    ) -> AsyncIterator[SipChannel]:
        """A new process at the same address."""
        again = settings(QUICK_T1_S, self.address)
        again = replace(again, allow_private=lab, legs_max=legs_max)
        channel = SipChannel(again)
        await channel.start()
        try:
            yield channel
        finally:
            await channel.stop(grace_s=0)


async def crash(channel: SipChannel, journal: MemoryJournal) -> Crashed:
    """Die without a word: the tasks and the socket go, nothing is sent."""
    for task in list(channel._tasks.values()):
        task.cancel()
    await channel._transports.close()
    await asyncio.sleep(0)
    return Crashed(journal, channel.address)


async def ring_and_crash(peer: SipPeer, channel: SipChannel) -> tuple[Crashed, Heard]:
    journal = MemoryJournal()
    leg = channel.dial(a_target(peer.port), journal)
    invite = await peer.hear("INVITE")
    peer.reply(invite, Reply(180, "Ringing"))
    await until(leg, Progress)
    return await crash(channel, journal), invite


async def test_sipp_takes_the_cancel_of_a_process_that_only_read_the_row(
    quick: SipChannel,
) -> None:
    async with Sipp("never_answers.xml", free_udp_port()) as sipp:
        journal = MemoryJournal()
        leg = quick.dial(a_target(sipp.port), journal)
        await until(leg, Progress)
        dead = await crash(quick, journal)
        after = MemoryJournal()
        async with dead.restarted() as channel:
            await asyncio.wait_for(channel.clear(dead.stored(), after), 5)
            assert await sipp.exit_status() == 0, sipp.errors()
            (invite,), (cancel,) = sipp.received("INVITE"), sipp.received("CANCEL")
            (ack,) = sipp.received("ACK")
            for same in ("Via", "From", "Call-ID"):
                assert invite.header(same) == cancel.header(same) == ack.header(same)
            assert (after.outcomes[-1].code, after.planned) == (487, [])
            assert after.outcomes[-1].ended_at is not None


async def test_a_late_answer_is_acknowledged_and_ended(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        after = MemoryJournal()
        async with dead.restarted() as channel:
            clearing = asyncio.create_task(channel.clear(dead.stored(), after))
            cancel = await peer.hear("CANCEL")
            assert cancel.branch == invite.branch
            assert cancel.header("Reason").startswith("Q.850;cause=41")
            peer.reply(cancel, Reply(200, "OK"))
            peer.reply(invite, OK)
            await peer.hear("ACK")
            bye = await peer.hear("BYE")
            assert int(bye.header("CSeq").split()[0]) == 2
            peer.reply(bye, Reply(200, "OK"))
            await asyncio.wait_for(clearing, 2)
            assert len(after.confirmed) == 1
            assert after.outcomes[-1].answered_at is not None
            assert after.outcomes[-1].ended_at is not None
            assert peer.count("INVITE") == 1


async def test_a_secret_that_the_carrier_repeats_after_the_crash_is_not_recorded(
    quick: SipChannel,
) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        after = MemoryJournal()
        async with dead.restarted() as channel:
            stored = [replace(one, secret_headers=frozenset({"x-own"})) for one in dead.stored()]
            clearing = asyncio.create_task(channel.clear(stored, after))
            cancel = await peer.hear("CANCEL")
            peer.reply(cancel, Reply(200, "OK", headers=("X-Own: 0123-s3cret",)))
            peer.reply(invite, Reply(487, "Ended", headers=("X-Token: 4567-s3cret",)))
            await asyncio.wait_for(clearing, 2)
        raw = b"".join(message.raw for message in after.messages)
        assert b"s3cret" not in raw
        assert raw.count(b"****cret") == 2


@pytest.mark.parametrize("answered", [True, False])
async def test_a_carrier_that_asks_who_hangs_up_is_told(quick: SipChannel, answered: bool) -> None:
    """Once with a stored dialog, once with an answer that crosses the CANCEL."""
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        if answered:
            record = DialogRecord(
                dead.journal.planned[0].attempt_id,
                f"{invite.header('To')};tag=peer",
                f"sip:phone@127.0.0.1:{peer.port}",
                (),
                1,
                "PCMU",
            )
            dead.journal.confirmed.append(record)
        async with dead.restarted() as channel:
            stored = [replace(one, credentials=ALICE) for one in dead.stored()]
            clearing = asyncio.create_task(channel.clear(stored, MemoryJournal()))
            if not answered:
                peer.reply(await peer.hear("CANCEL"), Reply(200, "OK"))
                peer.reply(invite, OK)
            challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
            bye = await peer.hear("BYE")
            peer.reply(bye, Reply(401, "Who", headers=(challenge,)))
            again = await peer.hear("BYE")
            assert 'username="alice"' in again.header("Authorization")
            assert int(again.header("CSeq").split()[0]) == int(bye.header("CSeq").split()[0]) + 1
            peer.reply(again, Reply(200, "OK"))
            await asyncio.wait_for(clearing, 2)


@pytest.mark.parametrize("answers", [True, False])
async def test_an_unknown_or_silent_carrier_ends_the_recovery(
    quick: SipChannel, answers: bool
) -> None:
    async with sip_peer() as peer:
        dead, _ = await ring_and_crash(peer, quick)
        after = MemoryJournal()
        async with dead.restarted() as channel:
            clearing = asyncio.create_task(channel.clear(dead.stored(), after))
            if answers:
                peer.reply(await peer.hear("CANCEL"), Reply(481, "No Such"))
            await asyncio.wait_for(clearing, 0.5 if answers else 64 * QUICK_T1_S + 1)
            assert after.outcomes[-1].ended_at is not None
            assert after.outcomes[-1].code is None


async def test_an_answered_call_is_ended_by_a_bye_with_a_higher_cseq(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        journal = MemoryJournal()
        leg = quick.dial(a_target(peer.port), journal)
        route = f"Record-Route: <sip:127.0.0.1:{peer.port};lr>"
        reply = replace(OK, headers=(CONTENT, route))
        invite = await peer.answer(reply=reply)
        await until(leg, Answered)
        dead = await crash(quick, journal)
        after = MemoryJournal()
        async with dead.restarted() as channel:
            clearing = asyncio.create_task(channel.clear(dead.stored(), after))
            await peer.hear("ACK")
            bye = await peer.hear("BYE")
            assert bye.header("From") == invite.header("From")
            assert bye.header("To") == invite.header("To") + ";tag=peer"
            assert bye.header("Route") == f"<sip:127.0.0.1:{peer.port};lr>"
            assert int(bye.header("CSeq").split()[0]) > 2
            assert bye.header("Reason") == 'Q.850;cause=41;text="Temporary failure"'
            peer.reply(bye, Reply(200, "OK"))
            await asyncio.wait_for(clearing, 2)
            assert after.outcomes[-1].q850 == Q850(41, "Temporary failure")
            assert after.outcomes[-1].ended_at is not None
            assert peer.count("INVITE") == 1


async def test_a_repeated_answer_to_a_forgotten_call_is_ended(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        async with dead.restarted():
            peer.reply(invite, OK)
            await peer.hear("ACK")
            peer.reply(invite, OK)
            await peer.hear("ACK")
            peer.reply(await peer.hear("BYE"), Reply(200, "OK"))
            assert len({heard.raw for heard in peer.heard if heard.label == "BYE"}) == 1


async def test_a_call_whose_answer_came_before_its_row_was_read_is_closed_too(
    quick: SipChannel,
) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        after = MemoryJournal()
        async with dead.restarted() as channel:
            peer.reply(invite, OK)
            bye = await peer.hear("BYE")
            clearing = asyncio.create_task(channel.clear(dead.stored(), after))
            await asyncio.sleep(0)
            peer.reply(bye, Reply(200, "OK"))
            await asyncio.wait_for(clearing, 2)
            assert [outcome.ended_at is not None for outcome in after.outcomes] == [True]
            assert peer.count("CANCEL") == 0


async def test_an_invented_answer_is_ignored(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        async with dead.restarted():
            forged = replace(invite, raw=invite.raw.replace(b"z9hG4bK-vbm-", b"z9hG4bK-xyz-"))
            peer.reply(forged, OK)
            twice = replace(OK, headers=("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKmore",))
            peer.reply(invite, twice)
            assert await peer.silence(0.1) == []


async def test_an_invented_answer_makes_us_send_nothing_to_a_private_address(
    quick: SipChannel,
) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        async with dead.restarted(lab=False):
            peer.reply(invite, OK)
            assert await peer.silence(0.1) == []


async def test_an_invented_answer_of_any_length_is_not_repeated_to_its_sender(
    quick: SipChannel,
) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        async with dead.restarted():
            peer.reply(invite, replace(OK, reason="O" * STRANGERS_BYTES_MAX))
            assert await peer.silence(0.1) == []


async def test_what_is_only_being_ended_takes_no_place_from_new_calls(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        dead, _ = await ring_and_crash(peer, quick)
        async with dead.restarted(legs_max=1) as channel:
            clearing = asyncio.create_task(channel.clear(dead.stored(), MemoryJournal()))
            await peer.hear("CANCEL")
            leg = channel.dial(a_target(peer.port), MemoryJournal())
            await peer.hear("INVITE")
            assert channel.live_legs == 2
            leg.hangup()
            clearing.cancel()


async def test_only_the_last_of_a_legs_attempts_is_cleared(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        dead, invite = await ring_and_crash(peer, quick)
        (stored,) = dead.stored()
        second = replace(stored.invite, sequence=2, cseq=2, branch="z9hG4bK-vbm-second")
        after = MemoryJournal()
        async with dead.restarted() as channel:
            both = [replace(stored, invite=second), stored]
            clearing = asyncio.create_task(channel.clear(both, after))
            cancel = await peer.hear("CANCEL")
            assert (cancel.branch, cancel.header("CSeq")) == ("z9hG4bK-vbm-second", "2 CANCEL")
            peer.reply(cancel, Reply(481))
            await asyncio.wait_for(clearing, 1)
            assert all(outcome.ended_at is not None for outcome in after.outcomes)
            assert peer.count("CANCEL") == 1
            assert invite.branch != cancel.branch
