"""What becomes of a call that may be one of several: its answer, its end, and what follows.

Calls are answered and ended through here and nowhere else. For a call on its own that is what
`call.repository` does; for one of a groupcall it is also what the others do then, in the same
transaction, so that no crash comes between the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from call_manager.call import repository as calls
from call_manager.call.domain import ENDING, Call, CallStatus
from call_manager.call.hangup import Cause
from call_manager.call.repository import Finish
from call_manager.groupcall import repository
from call_manager.groupcall.domain import (
    Groupcall,
    GroupcallStatus,
    is_over,
    to_dial,
    to_end,
)
from mesh.database import Transaction


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction did to a call, and whom to tell of it after its COMMIT."""

    call: Call | None
    """The call as it is now; None when it was not changed."""
    ending: tuple[UUID, ...] = ()
    """Calls that are to end by it, and may be on the wire."""
    turn_came: bool = False
    """Whether another call waits for the dialer now."""
    elsewhere: bool = False
    """Whether those are to end because this one was answered."""


class Dialling(Protocol):
    """Who has calls on the wire, and takes those that wait."""

    def wake(self) -> None:
        """Look for queued calls soon; a wake that is lost costs a poll's time."""

    def hangup(self, call_id: UUID, *, elsewhere: bool = False) -> None:
        """End the call if it is live here; its row says already why. Harmless otherwise.

        `elsewhere` says that another call of its groupcall was answered.
        """


def tell(change: Change, dialling: Dialling) -> None:
    """Tell what was committed; what is not told in time is found in the rows."""
    for call_id in change.ending:
        dialling.hangup(call_id, elsewhere=change.elsewhere)
    if change.turn_came:
        dialling.wake()


async def begun(tx: Transaction, groupcall_id: UUID, at: datetime) -> None:
    """Keep that a groupcall's calls are stored, and let its first one be dialled."""
    group = await repository.created(tx, groupcall_id)
    await _settled(tx, group, None, at)


async def answered(tx: Transaction, call: Call, at: datetime) -> Change:
    """Keep that a call was answered; unchanged when it is to end, or over."""
    group = await _group_of(tx, call)
    moved = await calls.advance(tx, call, CallStatus.PROGRESSING, at, tm_progressing=at)
    if moved is None or group is None:
        return Change(moved)
    if group.answer_call_id is None:
        group = await repository.first_answer(tx, group.id, call.id, at)
    return await _settled(tx, group, moved, at)


async def ended(tx: Transaction, call: Call, end: Finish) -> Change:
    """End a call, exactly once; unchanged when it has ended already."""
    group = await _group_of(tx, call)
    over = await calls.finish(tx, call, end)
    if over is None or group is None:
        return Change(over)
    return await _settled(tx, group, over, end.at)


async def hung_up(tx: Transaction, call: Call, cause: Cause, at: datetime) -> Change:
    """Keep the wish to end a call; unchanged when it is ending or over already."""
    group = await _group_of(tx, call)
    asked = await calls.request_hangup(tx, call.id, cause, at)
    if asked is None or group is None:
        return Change(asked)
    return await _settled(tx, group, asked, at)


async def all_hung_up(tx: Transaction, groupcall_id: UUID, at: datetime) -> Change:
    """Keep the wish to end all calls of a groupcall; nothing happens to one that is over."""
    group = await repository.locked(tx, groupcall_id)
    if group is None:
        return Change(None)
    if group.status is GroupcallStatus.PROGRESSING:
        group = await repository.want_end(tx, groupcall_id, at)
        await _settled(tx, group, None, at)
    # Also those that were asked before: whoever asked may have gone before it told them.
    left = await repository.members(tx, groupcall_id)
    return Change(None, tuple(member.id for member in left if not member.over))


async def _group_of(tx: Transaction, call: Call) -> Groupcall | None:
    # Before the call itself is touched: everybody locks in this order.
    return None if call.groupcall_id is None else await repository.locked(tx, call.groupcall_id)


async def _settled(tx: Transaction, group: Groupcall, call: Call | None, at: datetime) -> Change:
    """Let the others follow from what has just happened; the caller holds the groupcall."""
    members = await repository.members(tx, group.id)
    asked, cause = to_end(group, members), _cause(group)
    ending = await _asked_to_end(tx, asked, cause, at)
    if asked:
        members = await repository.members(tx, group.id)
    turn = to_dial(group, members)
    turn_came = turn is not None and await repository.dial(tx, group.id, turn, at)
    if is_over(members) and group.status is not GroupcallStatus.HANGUP:
        await repository.end(tx, group.id, at)
    return Change(call, ending, turn_came, cause is Cause.ANSWERED_ELSEWHERE)


async def _asked_to_end(
    tx: Transaction, call_ids: Iterable[UUID], cause: Cause, at: datetime
) -> tuple[UUID, ...]:
    """Return those that are not over by having been asked."""
    asked = [await calls.request_hangup(tx, call_id, cause, at) for call_id in call_ids]
    return tuple(one.id for one in asked if one is not None and one.status in _ON_THE_WIRE)


def _cause(group: Groupcall) -> Cause:
    elsewhere = group.status is GroupcallStatus.PROGRESSING
    return Cause.ANSWERED_ELSEWHERE if elsewhere else Cause.NORMAL


_ON_THE_WIRE = frozenset(ENDING.values())
