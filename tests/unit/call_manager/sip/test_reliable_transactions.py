"""Over TCP and TLS nothing is repeated, nothing lingers, and a lost connection loses no BYE."""

from __future__ import annotations

import pytest

from call_manager.channel import Transport
from call_manager.sip.effects import Destination, Hop
from call_manager.sip.message import Request, Response, parse
from call_manager.sip.requests import Identity
from call_manager.sip.timing import Timing
from call_manager.sip.transaction import (
    INVITE_CLIENT_RELIABLE,
    INVITE_SERVER_RELIABLE,
    REQUEST_CLIENT_RELIABLE,
    REQUEST_SERVER_RELIABLE,
    Deliver,
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
from call_manager.sip.transport.via import came_from, carried_by

HERE = Destination(("192.0.2.1", 5060))


def a_request(via: str = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx;rport") -> Request:
    request = parse(
        f"BYE sip:a@b SIP/2.0\r\nVia: {via}\r\nVia: SIP/2.0/UDP 192.0.2.8;branch=y\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n\r\n".encode()
    )
    assert isinstance(request, Request)
    return request


REQUEST = a_request()
ANSWER = Response(REQUEST.headers, b"", 200, "OK")


def run(table: Table, state: State, *events: Event | Timer) -> tuple[State, list[object]]:
    """Where a transaction gets to, and what it wanted done on the way."""
    transaction = Transaction(table, state, Timing(), REQUEST, lambda _: REQUEST)
    done: list[object] = []
    for event in events:
        done += transaction.handle(event, ANSWER)
    return transaction.state, done


def timers(done: list[object]) -> list[Timer]:
    return [effect.timer for effect in done if isinstance(effect, Set)]


@pytest.mark.parametrize(
    ("table", "state", "events", "end", "set_timers", "sent"),
    [
        (INVITE_CLIENT_RELIABLE, State.CALLING, [Event.START], State.CALLING, "B", 1),
        (
            INVITE_CLIENT_RELIABLE,
            State.CALLING,
            [Event.START, Event.FAILURE],
            State.TERMINATED,
            "B",
            2,  # The ACK.
        ),
        (
            INVITE_CLIENT_RELIABLE,
            State.CALLING,
            [Event.START, Event.PROVISIONAL, Event.UNREACHABLE, Event.FAILURE],
            State.TERMINATED,
            "B",
            2,
        ),
        (
            INVITE_CLIENT_RELIABLE,
            State.CALLING,
            [Event.START, Event.SUCCESS],
            State.ACCEPTED,
            "BM",
            1,
        ),
        (REQUEST_CLIENT_RELIABLE, State.TRYING, [Event.START], State.TRYING, "F", 1),
        (
            REQUEST_CLIENT_RELIABLE,
            State.TRYING,
            [Event.START, Event.PROVISIONAL, Event.SUCCESS],
            State.TERMINATED,
            "F",
            1,
        ),
        (
            REQUEST_CLIENT_RELIABLE,
            State.TRYING,
            [Event.START, Event.UNREACHABLE, Timer.E, Event.FAILURE],
            State.TERMINATED,
            "FE",
            2,
        ),
        (
            INVITE_SERVER_RELIABLE,
            State.PROCEEDING,
            [Event.ANSWER_FAILURE, Event.ACK],
            State.TERMINATED,
            "H",
            1,
        ),
        (
            INVITE_SERVER_RELIABLE,
            State.PROCEEDING,
            [Event.ANSWER_SUCCESS, Timer.G, Event.ACK],
            State.TERMINATED,
            "GLG",  # A 2xx is repeated on every transport.
            2,
        ),
        (
            REQUEST_SERVER_RELIABLE,
            State.TRYING,
            [Event.ANSWER_SUCCESS],
            State.TERMINATED,
            "",
            1,
        ),
    ],
)
def test_a_reliable_transport_needs_few_timers(
    *,
    table: Table,
    state: State,
    events: list[Event | Timer],
    end: State,
    set_timers: str,
    sent: int,
) -> None:
    reached, done = run(table, state, *events)
    assert reached is end
    assert timers(done) == [Timer(letter) for letter in set_timers]
    assert sum(isinstance(effect, Send) for effect in done) == sent
    if end is State.TERMINATED:
        stopped = [effect.timer for effect in done if isinstance(effect, Stop)]
        assert not {Timer.B, Timer.F, Timer.G, Timer.H} & (set(timers(done)) - set(stopped))


def test_a_lost_connection_ends_an_invite_nobody_answered() -> None:
    state, done = run(INVITE_CLIENT_RELIABLE, State.CALLING, Event.START, Event.UNREACHABLE)
    assert state is State.TERMINATED
    assert Failed() in done


def test_a_bye_that_keeps_failing_ends_with_timer_f() -> None:
    again: list[Event | Timer] = [Event.UNREACHABLE, Timer.E] * 4
    state, done = run(REQUEST_CLIENT_RELIABLE, State.TRYING, Event.START, *again, Timer.F)
    assert state is State.TERMINATED
    assert TimedOut() in done
    pauses = [effect.seconds for effect in done if isinstance(effect, Set)][1:]
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert not any(isinstance(effect, Deliver) for effect in done)


@pytest.mark.parametrize(
    ("uri", "before", "transport"),
    [
        ("", "tcp", "tcp"),
        ("sip:a@b", "tcp", "tcp"),
        ("sip:a@b;transport=UDP", "tcp", "udp"),
        ("sip:a@b;transport=tcp", "udp", "tcp"),
        ("sip:a@b;lr;transport=tls", "udp", "tls"),
        ("sips:a@b", "udp", "tls"),
        ("sip:a@b;transport=udp", "tls", "tls"),
        ("sip:a;transport=tcp@b", "udp", "udp"),
        ("sip:a@b;transport=tcpx", "udp", "udp"),
        ("sip:a@b;transport=ws", "tcp", "tcp"),
        ("sip:a@b;transport=tcp?Subject=x", "udp", "tcp"),
    ],
)
def test_a_dialogs_next_hop_names_its_transport(uri: str, before: str, transport: str) -> None:
    hop = Hop(uri, Destination(HERE.address, Transport(before)))
    assert hop.transport == transport
    assert hop.reliable is (transport != "udp")


def test_what_carries_a_request_is_in_its_topmost_via_only() -> None:
    us = Identity("203.0.113.1:5060", "mesh", "203.0.113.1:5061")
    sent = carried_by(a_request(), us.over(Transport.TLS))
    assert sent.values("Via") == [
        "SIP/2.0/TLS 203.0.113.1:5061;branch=z9hG4bKx;rport",
        "SIP/2.0/UDP 192.0.2.8;branch=y",
    ]
    assert carried_by(a_request(), us) == a_request()


@pytest.mark.parametrize(
    ("via", "seen"),
    [
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=x", "SIP/2.0/UDP 192.0.2.9:5060;branch=x"),
        (
            "SIP/2.0/UDP h.test;rport;branch=x",
            "SIP/2.0/UDP h.test;rport=4711;branch=x;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP 10.0.0.1;branch=x;received=1.2.3.4;RPORT=7",
            "SIP/2.0/UDP 10.0.0.1;branch=x;rport=4711;received=192.0.2.9",
        ),
        ("SIP/2.0/UDP h.test;branch=x", "SIP/2.0/UDP h.test;branch=x;received=192.0.2.9"),
        (
            "SIP/2.0/UDP h.test;branch=x;xrport=1",
            "SIP/2.0/UDP h.test;branch=x;xrport=1;received=192.0.2.9",
        ),
    ],
)
def test_where_a_request_came_from_is_noted_in_its_via(via: str, seen: str) -> None:
    request = came_from(a_request(via), ("192.0.2.9", 4711))
    assert request.values("Via") == [seen, "SIP/2.0/UDP 192.0.2.8;branch=y"]
