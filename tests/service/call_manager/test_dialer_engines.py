"""What the dialer asks of its database holds on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from call_manager.bootstrap import MIGRATIONS
from call_manager.call import repository as calls
from call_manager.call.attempt import Attempt
from call_manager.call.domain import CallStatus, DialState, HangupReason
from call_manager.call.hangup import Cause
from call_manager.call.repository import Finish
from call_manager.channel import (
    Q850,
    AttemptOutcome,
    AttemptState,
    DnsRecord,
    MediaReport,
    RtpCount,
    TlsPeer,
    Transport,
)
from call_manager.dialer import DialerSettings, attempts, endings, repository
from call_manager.media.judging import Flow
from mesh.clock import new_id
from mesh.database import Database, Transaction
from tests.support.clock import FakeClock
from tests.unit.call_manager.dialer.dialer_world import PROVIDER_ID, World, an_invite


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    database = Database(database_url, migrations=MIGRATIONS)
    await database.start()
    yield World(database, FakeClock())
    await database.stop()


async def claim(world: World, owner: str, most: int) -> list[UUID]:
    async def work(tx: Transaction) -> list[UUID]:
        return [call.id for call in await repository.claim(tx, owner, most)]

    return await world.database.transact(work, name="test_claim")


async def test_a_call_is_dialled_followed_and_ended(world: World) -> None:
    world.flows.script(("beep", {}), ("hangup", {"reason": "amd"}))
    async with world.running():
        call_id = await world.commit(flow_id=new_id())
        line = await world.lines.line()
        line.ring()
        await world.until(call_id, CallStatus.RINGING)
        for number in range(250):
            line.wire(sent=False, method=f"M{number}")
        await line.answer()
        call = await world.over(call_id)
    assert (call.hangup_reason, call.sip_code, call.current_action) == (
        HangupReason.AMD,
        200,
        None,
    )
    assert (await world.attempts(call_id))[0]["route_set"] == []
    expected = ["INVITE", *(f"M{number}" for number in range(250)), "BYE"]
    assert await world.methods(call_id) == expected


async def test_a_dead_processs_call_is_recovered(world: World) -> None:
    call_id = await world.commit(
        status=CallStatus.RINGING, dial_state=DialState.CLAIMED, owner="dead"
    )
    await world.left_attempt(call_id, AttemptState.INVITING)
    async with world.running():
        call = await world.over(call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.FAILED, endings.CANCELLED)
    assert world.lines.lines == []


async def test_two_that_claim_at_once_never_get_the_same_call(world: World) -> None:
    ids = {await world.commit() for _ in range(12)}
    claims = await asyncio.gather(*(claim(world, f"owner {n}", 3) for n in range(6)))
    found = [call_id for claimed in claims for call_id in claimed]
    assert len(found) == len(set(found))
    found += await claim(world, "the last", 12)
    assert set(found) == ids


async def test_claims_are_first_come_first_served(world: World) -> None:
    ids = [await world.commit() for _ in range(5)]
    assert await claim(world, "one", 2) == ids[:2]
    assert await claim(world, "one", 5) == ids[2:]


async def test_an_invite_and_a_hangup_at_once_have_one_order(world: World) -> None:
    """Either the INVITE is stored before the hangup, or it never is."""
    for _ in range(10):
        call_id = await world.commit()
        await claim(world, "me", 1)
        invite = an_invite(call_id, world.clock.now())
        dial = attempts.Dial("me", PROVIDER_ID, {})

        async def plan(invite=invite, dial=dial) -> bool:  # type: ignore[no-untyped-def]
            async def work(tx: Transaction) -> bool:
                return await attempts.plan_invite(tx, invite, dial, world.clock.now())

            return await world.database.transact(work, name="test_plan")

        planned, _ = await asyncio.gather(plan(), world.ask_hangup(call_id, tell=False))
        call = await world.call(call_id)
        assert call.status is CallStatus.CANCELING
        assert len(await world.attempts(call_id)) == (1 if planned else 0)


async def test_a_call_that_was_read_before_is_told_as_it_stands_after_each_change(
    world: World,
) -> None:
    """Whoever has a call reads only what may have changed of it; nothing else ever does."""
    call_id = await world.commit()
    known, now = await world.call(call_id), world.clock.now()
    await claim(world, "me", 1)
    dial = attempts.Dial("me", PROVIDER_ID, {}, call=known)

    async def work(tx: Transaction) -> None:
        assert await attempts.plan_invite(tx, an_invite(call_id, now), dial, now)
        ringing = await calls.advance(tx, known, CallStatus.RINGING, now, tm_ringing=now)
        assert ringing == await calls.call(tx, call_id)
        assert ringing is not None
        assert ringing.provider_id == PROVIDER_ID
        assert await calls.request_hangup(tx, call_id, Cause.NORMAL, now) is not None
        assert await calls.advance(tx, known, CallStatus.PROGRESSING, now) is None
        assert await calls.mark_deleted(tx, call_id, now) is not None
        end = Finish(Cause.NORMAL, now, detail="Why.", sip_code=487, sip_reason="Terminated")
        ended = await calls.finish(tx, known, end)
        assert ended == await calls.call(tx, call_id)
        assert await calls.finish(tx, known, end) is None

    await world.database.transact(work, name="test_known")
    told = await world.call(call_id)
    assert (told.status, told.tm_delete, told.sip_code) == (CallStatus.HANGUP, now, 487)


async def test_an_instance_plans_no_invite_for_anothers_call(world: World) -> None:
    call_id = await world.commit()
    await claim(world, "another", 1)
    dial = attempts.Dial("me", PROVIDER_ID, {})

    async def work(tx: Transaction) -> bool:
        return await attempts.plan_invite(
            tx, an_invite(call_id, world.clock.now()), dial, world.clock.now()
        )

    assert not await world.database.transact(work, name="test_plan")
    assert await world.attempts(call_id) == []


async def test_room_is_not_needed_to_end_what_waited_too_long(world: World) -> None:
    dialler = World(world.database, world.clock, DialerSettings(legs_max=1))
    async with dialler.running():
        await dialler.commit()
        await dialler.lines.line()
        waiting = await dialler.commit()
        await dialler.pass_time(31)
        dialler.dialer.wake()
        assert (await dialler.over(waiting)).hangup_detail == endings.NOT_DIALLED


async def test_everything_an_attempt_met_can_be_read_again(world: World) -> None:
    call_id = await world.commit()
    await claim(world, "me", 1)
    now = world.clock.now()
    found = (DnsRecord("_sips._tcp.carrier.example", "SRV", 60, "10 60 5061 a.carrier.example"),)
    invite = replace(an_invite(call_id, now), transport=Transport.TLS, dns=found)
    peer = TlsPeer("TLSv1.3", "AES", "CN=a\0b", "CN=ca", now, "ab" * 32)
    outcome = AttemptOutcome(
        invite.attempt_id, 503, "No", now, now, None, now, now, now,
        Q850(34, "No circuit\0"), peer, "It said so.",
    )  # fmt: skip
    heard = RtpCount(packets=10, octets=1600, first_at=now, last_at=now, lost=1, jitter_ms=0.5)
    report = MediaReport(
        invite.attempt_id, "PCMU", 0, "127.0.0.1:2", "", RtpCount(), heard, other_payloads=(13,)
    )

    async def work(tx: Transaction) -> tuple[Attempt, ...]:
        dial = attempts.Dial("me", PROVIDER_ID, {"hostname": "carrier.example"}, leg=1)
        assert await attempts.plan_invite(tx, invite, dial, now)
        await attempts.update_attempt(tx, outcome, 1234)
        await attempts.keep_media(tx, report, 9.0)
        return await calls.attempts_of(tx, call_id)

    (read,) = await world.database.transact(work, name="test_attempt")
    assert (read.transport, read.dns, read.media) == ("tls", found, report)
    assert read.tls is not None
    assert (read.tls.not_after, read.tls.fingerprint) == (now, "ab" * 32)
    assert (read.q850_cause, read.q850_text) == (34, "No circuit\N{REPLACEMENT CHARACTER}")
    assert read.media_flow is Flow.UNKNOWN, "we sent nothing"
    assert (read.pdd_ms, read.detail, read.continued) == (1234, "It said so.", False)
    assert (read.tm_first_response, read.tm_early_media) == (now, now)


async def test_a_leg_that_goes_on_closes_the_one_before_and_counts_on(world: World) -> None:
    call_id = await world.commit()
    await claim(world, "me", 1)
    now, second = world.clock.now(), new_id()
    first = an_invite(call_id, now)
    again = replace(first, attempt_id=new_id(), sequence=2)
    other = replace(first, attempt_id=new_id())

    async def work(tx: Transaction) -> tuple[Attempt, ...]:
        dial = attempts.Dial("me", PROVIDER_ID, {})
        for invite in (first, again):
            assert await attempts.plan_invite(tx, invite, dial, now)
        before = attempts.Before(503, "No")
        onward = replace(dial, provider_id=second, leg=2, stored=2, before=before)
        assert await attempts.plan_invite(tx, other, onward, now)
        assert len(await attempts.live_attempts(tx, call_id)) == 1
        return await calls.attempts_of(tx, call_id)

    read = await world.database.transact(work, name="test_switch")
    assert [(one.sequence, one.leg, one.continued) for one in read] == [
        (1, 1, True),
        (2, 1, False),
        (3, 2, False),
    ]
    assert [(one.sip_code, one.tm_end) for one in read][1:] == [(503, now), (0, None)]
    assert (await world.call(call_id)).provider_id == second


@pytest.mark.parametrize("status", [CallStatus.CANCELING, CallStatus.PROGRESSING])
async def test_no_leg_goes_on_for_a_call_that_is_ending_or_answered(
    world: World, status: CallStatus
) -> None:
    call_id = await world.commit()
    await claim(world, "me", 1)
    now = world.clock.now()
    dial = attempts.Dial("me", PROVIDER_ID, {})

    async def work(tx: Transaction) -> bool:
        assert await attempts.plan_invite(tx, an_invite(call_id, now), dial, now)
        await calls.advance(tx, call_id, status, now)
        onward = replace(dial, leg=2, stored=1, before=attempts.Before(503, "No"))
        return await attempts.plan_invite(tx, an_invite(call_id, now), onward, now)

    assert not await world.database.transact(work, name="test_switch")
    assert len(await world.attempts(call_id)) == 1
