"""The rules of groupcalls: pure, no I/O. What follows for all from what became of one.

Nothing here is kept in step by hand: what is to be done follows from how the groupcall and its
calls stand, so that it may be asked at any time and in any order (CONTRACT.md section 2.6).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from call_manager.call.domain import ENDING, Address, CallStatus, DialState

TURN_WINDOW: Final = timedelta(seconds=30)
"""How long after its turn has come a call of a linear groupcall may be dialled."""


class RingMethod(enum.StrEnum):
    """In which order the calls are dialled."""

    RING_ALL = "ring_all"
    LINEAR = "linear"
    """The next one once the one before is over and was not answered."""


class AnswerMethod(enum.StrEnum):
    """What becomes of the others when one is answered."""

    NONE = ""
    """They go on."""
    HANGUP_OTHERS = "hangup_others"


class GroupcallStatus(enum.StrEnum):
    """Where a groupcall stands."""

    PROGRESSING = "progressing"
    HANGINGUP = "hangingup"
    """All of its calls are to end."""
    HANGUP = "hangup"


class GroupcallEvent(enum.StrEnum):
    """What happens to a groupcall (CONTRACT.md section 2.6)."""

    CREATED = "groupcall_created"
    PROGRESSING = "groupcall_progressing"
    """The first of its calls is answered."""
    HANGUP = "groupcall_hangup"
    DELETED = "groupcall_deleted"


@dataclass(frozen=True, slots=True)
class Groupcall:
    """One groupcall as its row stands; `models.GroupcallRow` says what each field means."""

    id: UUID
    customer_id: UUID
    flow_id: UUID | None
    source: Address | None
    destinations: tuple[Address, ...]
    call_ids: tuple[UUID, ...]
    ring_method: RingMethod
    answer_method: AnswerMethod
    status: GroupcallStatus
    dial_index: int
    tm_create: datetime
    answer_call_id: UUID | None = None
    tm_update: datetime | None = None
    tm_hangup: datetime | None = None
    tm_delete: datetime | None = None
    call_count: int = 0
    """How many of its calls are not over; counted when it was read."""


@dataclass(frozen=True, slots=True)
class Member:
    """One call of a groupcall, as far as the others depend on it."""

    id: UUID
    position: int
    status: CallStatus
    dial_state: DialState

    @property
    def over(self) -> bool:
        """Tell whether the call has ended."""
        return self.status is CallStatus.HANGUP

    @property
    def held(self) -> bool:
        """Tell whether its turn has not come."""
        return not self.over and self.dial_state is DialState.HELD


def to_end(group: Groupcall, members: Sequence[Member]) -> tuple[UUID, ...]:
    """Return the calls that are to be asked to end, for they may go on no longer."""
    asked = (member for member in members if member.status in ENDING)
    if group.status is not GroupcallStatus.PROGRESSING:
        return tuple(member.id for member in asked)
    if group.answer_call_id is None:
        return ()
    others = (member for member in asked if member.id != group.answer_call_id)
    if group.answer_method is AnswerMethod.HANGUP_OTHERS:
        return tuple(member.id for member in others)
    # Somebody has answered, so the turn of those that wait for theirs never comes.
    return tuple(member.id for member in others if member.held)


def to_dial(group: Groupcall, members: Sequence[Member]) -> Member | None:
    """Return the call whose turn has come, if one waits and nothing else rings or talks."""
    if group.status is not GroupcallStatus.PROGRESSING or group.answer_call_id is not None:
        return None
    if any(not member.over and not member.held for member in members):
        return None
    held = [member for member in members if member.held]
    return min(held, key=lambda member: member.position, default=None)


def is_over(members: Sequence[Member]) -> bool:
    """Tell whether all calls have ended."""
    return all(member.over for member in members)
