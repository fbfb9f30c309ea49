"""The tables of RFC 3261 section 17, row by row."""

from __future__ import annotations

import pytest

from call_manager.sip.message import Request, Response
from call_manager.sip.requests import same_branch
from call_manager.sip.timing import Timing
from call_manager.sip.transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    REQUEST_CLIENT,
    REQUEST_SERVER,
    Deliver,
    Effect,
    Event,
    Failed,
    Send,
    Set,
    State,
    Stop,
    Table,
    TimedOut,
    Timer,
    Transaction,
)

TIMING = Timing()
HEADERS = (
    ("Via", "SIP/2.0/UDP a:1;branch=z9hG4bKx"),
    ("Route", "<sip:p;lr>"),
    ("From", "<sip:a@b>;tag=1"),
    ("To", "<sip:c@d>"),
    ("Call-ID", "i"),
    ("CSeq", "4 INVITE"),
)
INVITE = Request(HEADERS, b"v=0", "INVITE", "sip:c@d")


def a_response(code: int) -> Response:
    headers = tuple((n, "<sip:c@d>;tag=2" if n == "To" else v) for n, v in HEADERS)
    return Response(headers, b"", code, "")


def acknowledge(response: Response) -> Request:
    return same_branch(INVITE, "ACK", response.value("To"))


ACK = acknowledge(a_response(486))
SENT, OK, BUSY, RINGING = Send(INVITE), a_response(200), a_response(486), a_response(180)
Row = tuple[State, Event | Timer, Response | None, State, list[Effect]]

INVITE_CLIENT_ROWS: list[Row] = [
    (
        State.CALLING,
        Event.START,
        None,
        State.CALLING,
        [SENT, Set(Timer.A, 0.5), Set(Timer.B, 32)],
    ),
    (State.CALLING, Timer.A, None, State.CALLING, [SENT, Set(Timer.A, 0.5)]),
    (State.CALLING, Timer.B, None, State.TERMINATED, [Stop(Timer.A), TimedOut()]),
    (
        State.CALLING,
        Event.PROVISIONAL,
        RINGING,
        State.PROCEEDING,
        [Stop(Timer.A), Stop(Timer.B), Deliver(RINGING)],
    ),
    (
        State.CALLING,
        Event.SUCCESS,
        OK,
        State.ACCEPTED,
        [Stop(Timer.A), Stop(Timer.B), Set(Timer.M, 32), Deliver(OK)],
    ),
    (
        State.CALLING,
        Event.FAILURE,
        BUSY,
        State.COMPLETED,
        [Stop(Timer.A), Stop(Timer.B), Send(ACK), Set(Timer.D, 32), Deliver(BUSY)],
    ),
    (
        State.CALLING,
        Event.UNREACHABLE,
        None,
        State.TERMINATED,
        [Stop(Timer.A), Stop(Timer.B), Failed()],
    ),
    (State.PROCEEDING, Timer.A, None, State.PROCEEDING, []),
    (State.PROCEEDING, Timer.B, None, State.PROCEEDING, []),
    (State.PROCEEDING, Event.UNREACHABLE, None, State.PROCEEDING, []),
    (State.PROCEEDING, Event.PROVISIONAL, RINGING, State.PROCEEDING, [Deliver(RINGING)]),
    (State.PROCEEDING, Event.SUCCESS, OK, State.ACCEPTED, [Set(Timer.M, 32), Deliver(OK)]),
    (
        State.PROCEEDING,
        Event.FAILURE,
        BUSY,
        State.COMPLETED,
        [Send(ACK), Set(Timer.D, 32), Deliver(BUSY)],
    ),
    (State.COMPLETED, Event.FAILURE, BUSY, State.COMPLETED, [Send(ACK)]),
    (State.COMPLETED, Event.PROVISIONAL, RINGING, State.COMPLETED, []),
    (State.COMPLETED, Event.SUCCESS, OK, State.COMPLETED, [Deliver(OK)]),
    (State.COMPLETED, Timer.D, None, State.TERMINATED, []),
    (State.ACCEPTED, Event.SUCCESS, OK, State.ACCEPTED, [Deliver(OK)]),
    (State.ACCEPTED, Event.FAILURE, BUSY, State.ACCEPTED, []),
    (State.ACCEPTED, Timer.M, None, State.TERMINATED, []),
    (State.TERMINATED, Event.SUCCESS, OK, State.TERMINATED, []),
]

FINAL: list[Effect] = [Stop(Timer.E), Stop(Timer.F), Set(Timer.K, 5), Deliver(OK)]
REQUEST_CLIENT_ROWS: list[Row] = [
    (
        State.TRYING,
        Event.START,
        None,
        State.TRYING,
        [SENT, Set(Timer.E, 0.5), Set(Timer.F, 32)],
    ),
    (State.TRYING, Timer.E, None, State.TRYING, [SENT, Set(Timer.E, 0.5)]),
    (State.TRYING, Timer.F, None, State.TERMINATED, [Stop(Timer.E), TimedOut()]),
    (State.TRYING, Event.PROVISIONAL, RINGING, State.PROCEEDING, [Deliver(RINGING)]),
    (State.TRYING, Event.SUCCESS, OK, State.COMPLETED, [*FINAL]),
    (State.PROCEEDING, Event.PROVISIONAL, RINGING, State.PROCEEDING, [Deliver(RINGING)]),
    (State.PROCEEDING, Timer.E, None, State.PROCEEDING, [SENT, Set(Timer.E, 4)]),
    (State.PROCEEDING, Timer.F, None, State.TERMINATED, [Stop(Timer.E), TimedOut()]),
    (State.PROCEEDING, Event.SUCCESS, OK, State.COMPLETED, [*FINAL]),
    (State.COMPLETED, Event.SUCCESS, OK, State.COMPLETED, []),
    (State.COMPLETED, Timer.E, None, State.COMPLETED, []),
    (State.COMPLETED, Timer.K, None, State.TERMINATED, []),
]

INVITE_SERVER_ROWS: list[Row] = [
    (
        State.PROCEEDING,
        Event.ANSWER_SUCCESS,
        None,
        State.ACCEPTED,
        [SENT, Set(Timer.G, 0.5), Set(Timer.L, 32)],
    ),
    (
        State.PROCEEDING,
        Event.ANSWER_FAILURE,
        None,
        State.COMPLETED,
        [SENT, Set(Timer.G, 0.5), Set(Timer.H, 32)],
    ),
    (State.ACCEPTED, Event.REQUEST, None, State.ACCEPTED, [SENT]),
    (State.ACCEPTED, Timer.G, None, State.ACCEPTED, [SENT, Set(Timer.G, 0.5)]),
    (
        State.ACCEPTED,
        Event.ACK,
        None,
        State.CONFIRMED,
        [Stop(Timer.G), Stop(Timer.L), Set(Timer.I, 5)],
    ),
    (State.ACCEPTED, Timer.L, None, State.TERMINATED, [Stop(Timer.G), TimedOut()]),
    (State.COMPLETED, Event.REQUEST, None, State.COMPLETED, [SENT]),
    (State.COMPLETED, Timer.G, None, State.COMPLETED, [SENT, Set(Timer.G, 0.5)]),
    (
        State.COMPLETED,
        Event.ACK,
        None,
        State.CONFIRMED,
        [Stop(Timer.G), Stop(Timer.H), Set(Timer.I, 5)],
    ),
    (State.COMPLETED, Timer.H, None, State.TERMINATED, [Stop(Timer.G)]),
    (State.CONFIRMED, Event.ACK, None, State.CONFIRMED, []),
    (State.CONFIRMED, Event.REQUEST, None, State.CONFIRMED, []),
    (State.CONFIRMED, Timer.I, None, State.TERMINATED, []),
]

REQUEST_SERVER_ROWS: list[Row] = [
    (State.TRYING, Event.REQUEST, None, State.TRYING, []),
    (State.TRYING, Event.ANSWER_SUCCESS, None, State.COMPLETED, [SENT, Set(Timer.J, 32)]),
    (State.TRYING, Event.ANSWER_FAILURE, None, State.COMPLETED, [SENT, Set(Timer.J, 32)]),
    (State.COMPLETED, Event.REQUEST, None, State.COMPLETED, [SENT]),
    (State.COMPLETED, Timer.J, None, State.TERMINATED, []),
]

ROWS = [
    *((INVITE_CLIENT, row) for row in INVITE_CLIENT_ROWS),
    *((REQUEST_CLIENT, row) for row in REQUEST_CLIENT_ROWS),
    *((INVITE_SERVER, row) for row in INVITE_SERVER_ROWS),
    *((REQUEST_SERVER, row) for row in REQUEST_SERVER_ROWS),
]


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_each_row_does_what_the_rfc_says(table: Table, row: Row) -> None:
    state, event, response, then, effects = row
    transaction = Transaction(table, state, TIMING, INVITE, acknowledge)
    assert transaction.handle(event, response) == effects
    assert transaction.state is then


@pytest.mark.parametrize("table", [INVITE_CLIENT, REQUEST_CLIENT, INVITE_SERVER, REQUEST_SERVER])
def test_no_entry_of_a_table_is_without_a_row_here(table: Table) -> None:
    shown = {(row[0], row[1]) for known, row in ROWS if known is table}
    twins = {(State.TRYING, Event.FAILURE), (State.PROCEEDING, Event.FAILURE)}
    missing = set(table) - shown
    assert missing <= (twins if table is REQUEST_CLIENT else set())


def pauses(table: Table, state: State, timer: Timer, times: int) -> list[float]:
    transaction = Transaction(table, state, TIMING, INVITE, acknowledge)
    found: list[float] = []
    events: list[Event | Timer] = [Event.START, *[timer] * times]
    for event in events:
        effects = transaction.handle(event)
        found += [e.seconds for e in effects if isinstance(e, Set) and e.timer is timer]
    return found


def test_timer_a_doubles_without_a_ceiling() -> None:
    assert pauses(INVITE_CLIENT, State.CALLING, Timer.A, 5) == [0.5, 1, 2, 4, 8, 16]


def test_timer_e_doubles_up_to_t2() -> None:
    assert pauses(REQUEST_CLIENT, State.TRYING, Timer.E, 6) == [0.5, 1, 2, 4, 4, 4, 4]


def test_the_ack_to_a_refusal_is_the_invites_own() -> None:
    assert ACK.uri == INVITE.uri
    assert ACK.values("Via") == INVITE.values("Via")
    assert ACK.values("Route") == INVITE.values("Route")
    assert ACK.value("CSeq") == "4 ACK"
    assert ACK.to_tag == "2"
    assert ACK.body == b""
