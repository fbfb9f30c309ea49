"""What becomes of a call when nobody knows whether the database committed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from call_manager.call.domain import CallStatus, Dialroute, DialState, HangupReason
from call_manager.channel import AttemptState, EndedBy
from call_manager.dialer import endings
from mesh.clock import new_id
from mesh.database import Database
from mesh.errors import ServiceUnavailable
from tests.unit.call_manager.dialer.dialer_world import World, eventually

ROUTES = (Dialroute(new_id(), new_id()), Dialroute(new_id(), new_id()))


def lose(monkeypatch: pytest.MonkeyPatch, name: str, *, commits: bool, times: int = 1) -> list[str]:
    """Let the transactions of a name fail, committed or not; return those that did."""
    real, lost = Database.transact, list[str]()

    async def transact(self: Database, work: Any, *, name: str) -> Any:
        if name != wanted or len(lost) >= times:
            return await real(self, work, name=name)
        lost.append(name)
        if commits:
            await real(self, work, name=name)
        raise ServiceUnavailable("The connection was lost.", retry_after_s=1.0)

    wanted = name
    monkeypatch.setattr(Database, "transact", transact)
    return lost


async def test_a_call_whose_claim_was_committed_unheard_is_dialled_once(
    stopped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose(monkeypatch, "calls_claim", commits=True)
    call_id = await stopped.commit()
    async with stopped.running():
        line = await stopped.lines.line()
        assert (line.target.call_id, lost) == (call_id, ["calls_claim"])
        # The next looks must leave alone what lives, and what was dialled.
        for _ in range(3):
            stopped.dialer.wake()
            await asyncio.sleep(0.02)
        await line.refuse(486)
        await stopped.over(call_id)
        stopped.dialer.wake()
        await asyncio.sleep(0.05)
    assert sum(one.invites for one in stopped.lines.lines) == 1


async def test_a_call_whose_claim_was_rolled_back_is_claimed_again(
    stopped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(monkeypatch, "calls_claim", commits=False)
    await stopped.commit()
    async with stopped.running():
        await (await stopped.lines.line()).refuse(486)
    assert len(stopped.lines.lines) == 1


async def test_a_left_call_that_was_taken_over_unheard_is_ended_and_never_dialled(
    stopped: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose(monkeypatch, "calls_take_over", commits=True)
    call_id = await stopped.commit(dial_state=DialState.CLAIMED, owner="the one before")
    await stopped.left_attempt(call_id, AttemptState.INVITING)
    async with stopped.running():
        await eventually(lambda: _is(bool(lost)))
        await stopped.pass_time(2)
        call = await stopped.over(call_id)
    assert (call.hangup_detail, stopped.lines.lines) == (endings.CANCELLED, [])


async def _is(value: bool) -> bool:
    return value


@pytest.mark.parametrize("commits", [True, False])
async def test_an_invite_whose_commit_was_not_heard_of_is_not_sent_anywhere(
    world: World, monkeypatch: pytest.MonkeyPatch, commits: bool
) -> None:
    lose(monkeypatch, "attempt_plan", commits=commits)
    call_id = await world.commit(dialroutes=ROUTES)
    call = await world.over(call_id)
    assert (call.hangup_reason, len(world.lines.lines)) == (HangupReason.FAILED, 1)
    rows = await world.attempts(call_id)
    assert [(row["state"], row["reached"], row["tm_end"] is not None) for row in rows] == (
        [(AttemptState.ENDED, False, True)] if commits else []
    )


async def test_an_invite_to_the_next_carrier_that_is_perhaps_stored_does_not_leave(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await world.commit(dialroutes=ROUTES)
    first = await world.lines.line()
    lose(monkeypatch, "attempt_plan", commits=True)
    await first.refuse(503)
    await world.over(call_id)
    rows = await world.attempts(call_id)
    assert [(row["sip_code"], row["reached"]) for row in rows] == [(503, True), (None, False)]
    assert sum(line.invites for line in world.lines.lines) == 1


async def test_an_answer_that_the_database_did_not_take_is_written_when_it_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    lost = lose(monkeypatch, "attempt_update", commits=False)
    with pytest.raises(ServiceUnavailable):
        await line.refuse(486, "Busy Here")
    line.end(EndedBy.REMOTE, 486, "Busy Here")
    await world.over(call_id)
    (row,) = await world.attempts(call_id)
    assert lost
    assert (row["state"], row["sip_code"]) == (AttemptState.ENDED, 486)
    assert row["sip_reason"] == "Busy Here"


async def test_a_dialog_that_the_database_did_not_take_is_written_when_it_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    lose(monkeypatch, "attempt_confirm", commits=False)
    with pytest.raises(ServiceUnavailable):
        await line.answer()

    async def confirmed() -> bool:
        (row,) = await world.attempts(call_id)
        return bool(row["state"] == AttemptState.CONFIRMED)

    await eventually(confirmed)


async def test_an_attempt_whose_end_nobody_told_ends_with_its_call(
    stopped: World,
) -> None:
    stopped.lines.clears_break = True
    call_id = await stopped.commit(
        status=CallStatus.RINGING, dial_state=DialState.CLAIMED, owner="the one before"
    )
    await stopped.left_attempt(call_id, AttemptState.INVITING)
    async with stopped.running():
        call = await stopped.over(call_id)
    (row,) = await stopped.attempts(call_id)
    assert (row["state"], row["tm_end"]) == (AttemptState.ENDED, call.tm_hangup)


async def test_a_fault_between_two_carriers_ends_the_call_at_once(
    world: World,
) -> None:
    # What is stored of the second carrier cannot be read: its list means nothing.
    world.routes.carriers[ROUTES[1].provider_id] = {"failover_codes": ["none", "503"]}
    call_id = await world.commit(dialroutes=ROUTES)
    await (await world.lines.line()).refuse(503)
    call = await world.over(call_id)
    assert (call.hangup_detail, len(world.lines.lines)) == (endings.BROKEN, 1)


async def test_a_challenge_that_nobody_may_answer_says_so(world: World) -> None:
    call_id = await world.commit()
    line = await world.lines.line()
    line.deaf = True
    await world.ask_hangup(call_id)
    await line.invite(sequence=2)
    call = await world.over(call_id)
    assert (call.hangup_reason, call.hangup_detail) == (HangupReason.CANCEL, endings.CUT_SHORT)
