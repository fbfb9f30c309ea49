"""SIP transactions as explicit tables: event in, effects out (RFC 3261 section 17).

No sockets, no clocks: timers are effects with seconds. The INVITE tables follow RFC 6026,
whose Accepted states keep a transaction for repeated 200s and their ACKs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from call_manager.sip.message import Request, Response
from call_manager.sip.timing import Timing


class State(enum.StrEnum):
    """Where a transaction stands; the names are the RFC's."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Timer(enum.StrEnum):
    """The timers of RFC 3261 table 4 and RFC 6026 section 8.4."""

    A = "A"
    B = "B"
    D = "D"
    E = "E"
    F = "F"
    G = "G"
    H = "H"
    I = "I"  # noqa: E741 - the RFC's own name
    J = "J"
    K = "K"
    L = "L"
    M = "M"


class Event(enum.StrEnum):
    """What can happen to a transaction besides its timers."""

    START = "start"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    REQUEST = "request again"
    ACK = "ACK"
    ANSWER_SUCCESS = "answer 2xx"
    ANSWER_FAILURE = "answer 3xx-6xx"
    UNREACHABLE = "unreachable"


class Action(enum.StrEnum):
    """What a table entry does; timers are set and stopped by `Timer` entries instead."""

    SEND = "send"
    ACK = "ack"
    DELIVER = "deliver"
    TIME_OUT = "time out"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Stop:
    """A table entry's wish to stop a timer."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Send:
    """Put this message on the wire."""

    message: Request | Response


@dataclass(frozen=True, slots=True)
class Set:
    """Fire this timer after so many seconds, replacing an earlier setting."""

    timer: Timer
    seconds: float


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand a response to the transaction's user."""

    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nobody answered, or nobody acknowledged our answer."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The transport says that the request cannot arrive."""


Effect = Send | Set | Stop | Deliver | TimedOut | Failed
Step = tuple[State, tuple[Action | Timer | Stop, ...]]
Table = Mapping[tuple[State, Event | Timer], Step]

_A, _B = Stop(Timer.A), Stop(Timer.B)
INVITE_CLIENT: Final[Table] = {  # RFC 3261 section 17.1.1.2, RFC 6026 section 8.4
    (State.CALLING, Event.START): (State.CALLING, (Action.SEND, Timer.A, Timer.B)),
    (State.CALLING, Timer.A): (State.CALLING, (Action.SEND, Timer.A)),
    (State.CALLING, Timer.B): (State.TERMINATED, (_A, Action.TIME_OUT)),
    (State.CALLING, Event.UNREACHABLE): (State.TERMINATED, (_A, _B, Action.FAIL)),
    (State.CALLING, Event.PROVISIONAL): (State.PROCEEDING, (_A, _B, Action.DELIVER)),
    (State.CALLING, Event.SUCCESS): (State.ACCEPTED, (_A, _B, Timer.M, Action.DELIVER)),
    (State.CALLING, Event.FAILURE): (
        State.COMPLETED,
        (_A, _B, Action.ACK, Timer.D, Action.DELIVER),
    ),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, (Action.DELIVER,)),
    (State.PROCEEDING, Event.SUCCESS): (State.ACCEPTED, (Timer.M, Action.DELIVER)),
    (State.PROCEEDING, Event.FAILURE): (
        State.COMPLETED,
        (Action.ACK, Timer.D, Action.DELIVER),
    ),
    (State.ACCEPTED, Event.SUCCESS): (State.ACCEPTED, (Action.DELIVER,)),
    (State.ACCEPTED, Timer.M): (State.TERMINATED, ()),
    (State.COMPLETED, Event.FAILURE): (State.COMPLETED, (Action.ACK,)),
    # A forking proxy may still pass a 2xx on (section 13.2.2.4): somebody picked up.
    (State.COMPLETED, Event.SUCCESS): (State.COMPLETED, (Action.DELIVER,)),
    (State.COMPLETED, Timer.D): (State.TERMINATED, ()),
}

_E, _F = Stop(Timer.E), Stop(Timer.F)
_FINAL: Final[Step] = (State.COMPLETED, (_E, _F, Timer.K, Action.DELIVER))
REQUEST_CLIENT: Final[Table] = {  # RFC 3261 section 17.1.2.2
    (State.TRYING, Event.START): (State.TRYING, (Action.SEND, Timer.E, Timer.F)),
    (State.TRYING, Timer.E): (State.TRYING, (Action.SEND, Timer.E)),
    (State.TRYING, Timer.F): (State.TERMINATED, (_E, Action.TIME_OUT)),
    (State.TRYING, Event.PROVISIONAL): (State.PROCEEDING, (Action.DELIVER,)),
    (State.TRYING, Event.SUCCESS): _FINAL,
    (State.TRYING, Event.FAILURE): _FINAL,
    (State.PROCEEDING, Timer.E): (State.PROCEEDING, (Action.SEND, Timer.E)),
    (State.PROCEEDING, Timer.F): (State.TERMINATED, (_E, Action.TIME_OUT)),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, (Action.DELIVER,)),
    (State.PROCEEDING, Event.SUCCESS): _FINAL,
    (State.PROCEEDING, Event.FAILURE): _FINAL,
    (State.COMPLETED, Timer.K): (State.TERMINATED, ()),
}

_G, _H = Stop(Timer.G), Stop(Timer.H)
INVITE_SERVER: Final[Table] = {  # RFC 3261 section 17.2.1, RFC 6026 section 8.5
    # Repeating the 2xx is its user's duty (section 13.3.1.4); Timer G's pace is the same.
    (State.PROCEEDING, Event.ANSWER_SUCCESS): (
        State.ACCEPTED,
        (Action.SEND, Timer.G, Timer.L),
    ),
    (State.PROCEEDING, Event.ANSWER_FAILURE): (
        State.COMPLETED,
        (Action.SEND, Timer.G, Timer.H),
    ),
    (State.ACCEPTED, Event.REQUEST): (State.ACCEPTED, (Action.SEND,)),
    (State.ACCEPTED, Timer.G): (State.ACCEPTED, (Action.SEND, Timer.G)),
    (State.ACCEPTED, Event.ACK): (State.CONFIRMED, (_G, Stop(Timer.L), Timer.I)),
    (State.ACCEPTED, Timer.L): (State.TERMINATED, (_G, Action.TIME_OUT)),
    (State.COMPLETED, Event.REQUEST): (State.COMPLETED, (Action.SEND,)),
    (State.COMPLETED, Timer.G): (State.COMPLETED, (Action.SEND, Timer.G)),
    (State.COMPLETED, Event.ACK): (State.CONFIRMED, (_G, _H, Timer.I)),
    (State.COMPLETED, Timer.H): (State.TERMINATED, (_G,)),
    (State.CONFIRMED, Timer.I): (State.TERMINATED, ()),
}

REQUEST_SERVER: Final[Table] = {  # RFC 3261 section 17.2.2
    (State.TRYING, Event.ANSWER_SUCCESS): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.TRYING, Event.ANSWER_FAILURE): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.COMPLETED, Event.REQUEST): (State.COMPLETED, (Action.SEND,)),
    (State.COMPLETED, Timer.J): (State.TERMINATED, ()),
}

# Over TCP and TLS nothing of ours is repeated while the connection holds, and nobody repeats
# anything to us: Timers A, E and G never run, and D, I, J and K are zero (table 4).
INVITE_CLIENT_RELIABLE: Final[Table] = {
    **INVITE_CLIENT,
    (State.CALLING, Event.START): (State.CALLING, (Action.SEND, Timer.B)),
    (State.CALLING, Event.FAILURE): (State.TERMINATED, (_B, Action.ACK, Action.DELIVER)),
    (State.PROCEEDING, Event.FAILURE): (State.TERMINATED, (Action.ACK, Action.DELIVER)),
}
_FINAL_RELIABLE: Final[Step] = (State.TERMINATED, (_E, _F, Action.DELIVER))
REQUEST_CLIENT_RELIABLE: Final[Table] = {
    **REQUEST_CLIENT,
    (State.TRYING, Event.START): (State.TRYING, (Action.SEND, Timer.F)),
    (State.TRYING, Event.SUCCESS): _FINAL_RELIABLE,
    (State.TRYING, Event.FAILURE): _FINAL_RELIABLE,
    (State.PROCEEDING, Event.SUCCESS): _FINAL_RELIABLE,
    (State.PROCEEDING, Event.FAILURE): _FINAL_RELIABLE,
    # A lost connection loses no BYE: it is sent again on a new one, at Timer E's pace, until
    # Timer F. Section 17.1.4 would give up, and leave the call up at a peer that only restarted.
    (State.TRYING, Event.UNREACHABLE): (State.TRYING, (Timer.E,)),
    (State.TRYING, Timer.E): (State.TRYING, (Action.SEND,)),
    (State.PROCEEDING, Event.UNREACHABLE): (State.PROCEEDING, (Timer.E,)),
    (State.PROCEEDING, Timer.E): (State.PROCEEDING, (Action.SEND,)),
}
INVITE_SERVER_RELIABLE: Final[Table] = {
    # The 2xx is still repeated: it may have hops over UDP before it (section 13.3.1.4).
    **INVITE_SERVER,
    (State.PROCEEDING, Event.ANSWER_FAILURE): (State.COMPLETED, (Action.SEND, Timer.H)),
    (State.ACCEPTED, Event.ACK): (State.TERMINATED, (_G, Stop(Timer.L))),
    (State.COMPLETED, Event.ACK): (State.TERMINATED, (_H,)),
}
REQUEST_SERVER_RELIABLE: Final[Table] = {
    (State.TRYING, Event.ANSWER_SUCCESS): (State.TERMINATED, (Action.SEND,)),
    (State.TRYING, Event.ANSWER_FAILURE): (State.TERMINATED, (Action.SEND,)),
}


def event_of(response: Response) -> Event:
    """Sort a received response by what its class means to a client transaction."""
    if response.code < 200:
        return Event.PROVISIONAL
    return Event.SUCCESS if response.code < 300 else Event.FAILURE


class Transaction:
    """One transaction: a table, its state, and the message it repeats.

    `acknowledge` builds the ACK to a non-2xx (section 17.1.1.3); only INVITE clients need it.
    """

    def __init__(
        self,
        table: Table,
        state: State,
        timing: Timing,
        message: Request | Response,
        acknowledge: Callable[[Response], Request] | None = None,
    ) -> None:
        self.state = state
        self.message = message
        self.sent = 0
        """How often the message left: 1 means that nothing was repeated yet."""
        self._table = table
        self._timing = timing
        self._acknowledge = acknowledge
        self._interval_s = timing.t1_s

    def handle(self, event: Event | Timer, response: Response | None = None) -> list[Effect]:
        """Advance by one event; an event that means nothing in this state has no effects."""
        step = self._table.get((self.state, event))
        if step is None:
            return []
        self.state, entries = step
        effects: list[Effect] = []
        for entry in entries:
            if isinstance(entry, Timer):
                effects.append(Set(entry, self._seconds(entry)))
            elif isinstance(entry, Stop):
                effects.append(entry)
            else:
                effects.extend(self._act(entry, response))
        return effects

    def _act(self, action: Action, response: Response | None) -> list[Effect]:
        match action:
            case Action.SEND:
                self.sent += 1
                return [Send(self.message)]
            case Action.ACK if self._acknowledge is not None and response is not None:
                return [Send(self._acknowledge(response))]
            case Action.DELIVER if response is not None:
                return [Deliver(response)]
            case Action.TIME_OUT:
                return [TimedOut()]
            case Action.FAIL:
                return [Failed()]
            case _:
                raise AssertionError(f"{action} needs a response.")

    def _seconds(self, timer: Timer) -> float:
        """How long a timer runs from now; A, E and G grow each time (table 4)."""
        if timer in {Timer.A, Timer.E, Timer.G}:
            seconds = self._interval_s
            if timer is Timer.E and self.state is State.PROCEEDING:
                seconds = self._timing.t2_s
            doubled = 2 * seconds
            # Timer A alone has no ceiling: Timer B ends it after seven INVITEs.
            self._interval_s = doubled if timer is Timer.A else min(doubled, self._timing.t2_s)
            return seconds
        if timer in {Timer.I, Timer.K}:
            return self._timing.t4_s
        return self._timing.give_up_s
