"""Faults of our own: a leg still has exactly one end, and the channel goes on."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
import uvloop

from call_manager.channel import (
    Answered,
    AttemptOutcome,
    Channel,
    DialogRecord,
    EndedBy,
    InviteRecord,
    WireMessage,
)
from call_manager.media.ports import RtpPorts
from call_manager.sip.channel import SipChannel
from call_manager.sip.core import Core
from call_manager.sip.effects import Destination
from call_manager.sip.message import Request
from call_manager.sip.uac import NEVER_LEFT
from mesh.start import StartRefused
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import QUICK_T1_S, a_target, end_of, settings, until
from tests.support.sip_peer import Reply, sip_peer
from tests.support.sipp import free_udp_port


class BrokenJournal(MemoryJournal):
    """Commits INVITEs, and fails at everything else."""

    async def dialog_confirmed(self, record: DialogRecord) -> None:
        raise OSError("disk")

    async def attempt_updated(self, outcome: AttemptOutcome) -> None:
        raise OSError("disk")

    def message(self, message: WireMessage) -> None:
        raise OSError("disk")


async def test_a_broken_journal_does_not_strand_an_answered_call(quick: SipChannel) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), BrokenJournal())
        await peer.answer()
        await until(leg, Answered)
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        ended = await end_of(leg)
        assert (ended.by, ended.code) == (EndedBy.LOCAL, 200)


async def test_a_fault_in_the_rules_hangs_the_leg_up(
    quick: SipChannel, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Core.on_request

    def faulty(self: Core, request: Request, source: Destination) -> None:
        if request.method == "INFO":
            raise ZeroDivisionError
        honest(self, request, source)

    monkeypatch.setattr(Core, "on_request", faulty)
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        peer.request("INFO", invite)
        peer.reply(await peer.hear("BYE"), Reply(200))
        assert (await end_of(leg)).code == 200


async def test_a_leg_whose_rules_always_fail_still_ends(
    quick: SipChannel, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Core, "handle", faulty)
    leg = quick.dial(a_target(9), journal)
    ended = await end_of(leg)
    assert ended.by is EndedBy.ERROR
    assert quick.live_legs == 0


async def test_a_stopped_channel_leaves_no_leg_without_its_end(journal: MemoryJournal) -> None:
    channel = SipChannel(settings(QUICK_T1_S))
    await channel.start()
    async with sip_peer() as peer:
        leg = channel.dial(a_target(peer.port), journal)
        await peer.answer()
        await until(leg, Answered)
        before = len(asyncio.all_tasks())
        await channel.stop(grace_s=0.05)  # The peer does not answer the BYE.
        ended = await end_of(leg, within_s=0.1)
        assert ended.by is EndedBy.ERROR
        assert len(asyncio.all_tasks()) < before
        assert peer.count("BYE") >= 1


async def test_a_flood_of_one_leg_does_not_grow_it(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        invite = await peer.answer()
        await until(leg, Answered)
        for index in range(2000):
            peer.request("OPTIONS", invite, cseq=index + 1)
            if index % 100 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.3)
        leg.hangup()
        peer.reply(await peer.hear("BYE"), Reply(200))
        assert (await end_of(leg)).by is EndedBy.LOCAL


async def test_a_carrier_is_not_blamed_for_our_want_of_ports(
    quick: SipChannel, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(_: RtpPorts) -> NoReturn:
        raise OSError("every RTP port is taken")

    monkeypatch.setattr(RtpPorts, "bind_pair", taken)
    ended = await end_of(quick.dial(a_target(free_udp_port()), journal))
    # Unreachable would mean: another carrier is dialled, and this one counts as out of reach.
    assert (ended.by, ended.code, ended.reached) == (EndedBy.ERROR, None, True)
    assert "No RTP port could be bound" in ended.detail
    assert journal.planned == []


async def test_an_invite_that_was_called_off_before_it_left_says_so(
    quick: SipChannel, journal: MemoryJournal
) -> None:
    planning, go_on = asyncio.Event(), asyncio.Event()
    planned = journal.invite_planned

    async def slow(record: InviteRecord) -> None:
        planning.set()
        await go_on.wait()
        await planned(record)

    journal.invite_planned = slow  # type: ignore[method-assign]
    async with sip_peer() as peer:
        leg = quick.dial(a_target(peer.port), journal)
        await planning.wait()
        leg.hangup()
        go_on.set()
        ended = await end_of(leg)
    assert (ended.by, ended.code, ended.reached) == (EndedBy.LOCAL, None, False)
    assert journal.outcomes[-1].detail == NEVER_LEFT
    assert journal.messages == []


async def test_an_address_that_is_taken_stops_the_start(quick: SipChannel) -> None:
    other: Channel = SipChannel(settings(QUICK_T1_S, quick.address))
    with pytest.raises(StartRefused, match="in use"):
        await other.start()


def test_undeliverable_datagrams_are_noticed_on_uvloop_too() -> None:
    """libuv stops watching a socket that reports an ICMP error; the channel watches it again."""

    async def scenario() -> None:
        channel = SipChannel(settings(QUICK_T1_S))
        await channel.start()
        for _ in range(3):
            leg = channel.dial(a_target(free_udp_port()), MemoryJournal())
            ended = await end_of(leg, within_s=1)
            assert "cannot be reached" in ended.detail
        async with sip_peer() as peer:
            leg = channel.dial(a_target(peer.port), MemoryJournal())
            await peer.answer()
            await until(leg, Answered)
            leg.hangup()
            peer.reply(await peer.hear("BYE"), Reply(200))
            assert (await end_of(leg)).code == 200
        await channel.stop(grace_s=0)

    uvloop.run(scenario())
