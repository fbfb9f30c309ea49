"""All transactions of one leg: matches messages to them and carries their effects out.

Sans-I/O: what must happen is collected in `out`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from call_manager.channel import Transport
from call_manager.sip.effects import (
    Destination,
    Effect,
    Hop,
    SetTimer,
    StopTimer,
    TimerKey,
    Transmit,
)
from call_manager.sip.message import SIP_PORT, Request, Response
from call_manager.sip.requests import same_branch
from call_manager.sip.timing import Timing
from call_manager.sip.transaction import (
    INVITE_CLIENT,
    INVITE_CLIENT_RELIABLE,
    INVITE_SERVER,
    INVITE_SERVER_RELIABLE,
    REQUEST_CLIENT,
    REQUEST_CLIENT_RELIABLE,
    REQUEST_SERVER,
    REQUEST_SERVER_RELIABLE,
    Deliver,
    Event,
    Failed,
    Send,
    Set,
    State,
    Stop,
    TimedOut,
    Transaction,
    event_of,
)
from call_manager.sip.transaction import Effect as TransactionEffect

TRANSACTIONS_MAX: Final = 64  # A call has two or three at once; a flood must not grow us.

OnAnswer = Callable[[Response | None], None]
"""Told each response of a transaction, and None when nobody answered."""


@dataclass(slots=True)
class _Entry:
    transaction: Transaction
    hop: Hop
    on_answer: OnAnswer | None = None
    on_failed: Callable[[], None] | None = None


class Exchange:
    """The client and server transactions of one Call-ID."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.out: list[Effect] = []
        self._clients: dict[str, _Entry] = {}
        self._servers: dict[str, _Entry] = {}

    @property
    def idle(self) -> bool:
        """Whether every transaction has ended: nothing more can be asked of us."""
        return not self._clients and not self._servers

    def invite(
        self, request: Request, hop: Hop, on_answer: OnAnswer, on_failed: Callable[[], None]
    ) -> None:
        """Start an INVITE; `on_failed` is told when the transport cannot deliver it."""
        entry = self._invite_entry(request, hop, State.CALLING, on_answer)
        entry.on_failed = on_failed
        self._client(request, entry, Event.START)

    def resume_invite(self, request: Request, hop: Hop, on_answer: OnAnswer) -> None:
        """Await the answers to an INVITE a dead process sent; it is never sent again."""
        entry = self._invite_entry(request, hop, State.PROCEEDING, on_answer)
        self._clients[_client_key(request.via.branch, "INVITE")] = entry

    def send(self, request: Request, hop: Hop, on_answer: OnAnswer) -> None:
        """Start a non-INVITE request."""
        table = REQUEST_CLIENT_RELIABLE if hop.reliable else REQUEST_CLIENT
        transaction = Transaction(table, State.TRYING, self.timing, request)
        self._client(request, _Entry(transaction, hop, on_answer), Event.START)

    def transmit(self, message: Request | Response, hop: Hop) -> None:
        """Send a message of no transaction: the ACK to a 2xx (RFC 3261 section 13.2.2.4)."""
        self.out.append(Transmit(message, hop))

    def answer(
        self,
        request: Request,
        response: Response,
        source: Destination,
        on_unacknowledged: Callable[[], None] | None = None,
    ) -> None:
        """Answer a request once and for all; its retransmissions get the same answer.

        `on_unacknowledged` is told when a 2xx to a re-INVITE is never acknowledged.
        """
        hop = Hop("", answer_destination(request, source))
        if request.method == "INVITE":
            table = INVITE_SERVER_RELIABLE if hop.reliable else INVITE_SERVER
            state = State.PROCEEDING
        else:
            table = REQUEST_SERVER_RELIABLE if hop.reliable else REQUEST_SERVER
            state = State.TRYING
        entry = _Entry(Transaction(table, state, self.timing, response), hop)
        if on_unacknowledged is not None:
            entry.on_answer = lambda _: on_unacknowledged()
        if len(self._servers) >= TRANSACTIONS_MAX:
            # Too many to remember: answer this once, and forget it.
            self.transmit(response, hop)
            return
        key = _server_key(request, request.method)
        self._servers[key] = entry
        event = Event.ANSWER_SUCCESS if response.code < 300 else Event.ANSWER_FAILURE
        self._advance(key, entry, self._servers, entry.transaction.handle(event))

    def on_response(self, response: Response) -> bool:
        """Give a response to its transaction (section 17.1.3); False when there is none."""
        key = _client_key(response.via.branch, response.cseq.method)
        entry = self._clients.get(key)
        if entry is None:
            return False
        effects = entry.transaction.handle(event_of(response), response)
        self._advance(key, entry, self._clients, effects)
        return True

    def on_request(self, request: Request) -> bool:
        """Absorb a retransmission or an ACK (section 17.2.3); True when nothing is left to do."""
        if request.method == "ACK":
            self._on_ack(request)
            return True
        key = _server_key(request, request.method)
        entry = self._servers.get(key)
        if entry is None:
            return False
        self._advance(key, entry, self._servers, entry.transaction.handle(Event.REQUEST))
        return True

    def knows_invite_of(self, cancel: Request) -> bool:
        """Tell whether a received CANCEL names an INVITE we have (section 9.2)."""
        return _server_key(cancel, "INVITE") in self._servers

    def merges(self, request: Request) -> bool:
        """Whether a request came by another way before: a proxy forked it (section 8.2.2.2)."""
        if request.to_tag:
            return False
        same = (request.from_tag, request.cseq)
        entries = (entry.transaction.message for entry in self._servers.values())
        return any((own.from_tag, own.cseq) == same for own in entries)

    def on_timer(self, key: TimerKey) -> None:
        """A transaction's timer ran out."""
        for table in (self._clients, self._servers):
            entry = table.get(key.transaction)
            if entry is not None and key.timer is not None:
                effects = entry.transaction.handle(key.timer)
                self._advance(key.transaction, entry, table, effects)
                return

    def on_unreachable(self, branch: str) -> None:
        """The transport could not deliver a request of this branch, or lost its connection."""
        mine = f"client {branch} "
        for key, entry in [pair for pair in self._clients.items() if pair[0].startswith(mine)]:
            effects = entry.transaction.handle(Event.UNREACHABLE)
            self._advance(key, entry, self._clients, effects)

    def forget_invite(self, branch: str) -> None:
        """Destroy an INVITE nobody answers any more (RFC 3261 section 9.1)."""
        self._clients.pop(_client_key(branch, "INVITE"), None)

    def abandon(self) -> None:
        """Forget every transaction: nobody waits for an answer any more, nor is owed one."""
        self._clients.clear()
        self._servers.clear()

    def times_sent(self, branch: str) -> int:
        """How often an INVITE left; 0 when it is unknown."""
        entry = self._clients.get(_client_key(branch, "INVITE"))
        return 0 if entry is None else entry.transaction.sent

    def _invite_entry(
        self, request: Request, hop: Hop, state: State, on_answer: OnAnswer
    ) -> _Entry:
        def acknowledge(response: Response) -> Request:
            return same_branch(request, "ACK", response.value("To"))

        table = INVITE_CLIENT_RELIABLE if hop.reliable else INVITE_CLIENT
        transaction = Transaction(table, state, self.timing, request, acknowledge)
        return _Entry(transaction, hop, on_answer)

    def _client(self, request: Request, entry: _Entry, event: Event) -> None:
        key = _client_key(request.via.branch, request.method)
        self._clients[key] = entry
        self._advance(key, entry, self._clients, entry.transaction.handle(event))

    def _on_ack(self, request: Request) -> None:
        """The ACK to a 2xx has a branch of its own, so it is matched by its CSeq (13.3.1.4)."""
        for key, entry in list(self._servers.items()):
            own = entry.transaction.message
            if own.cseq.method == "INVITE" and own.cseq.number == request.cseq.number:
                self._advance(key, entry, self._servers, entry.transaction.handle(Event.ACK))

    def _advance(
        self, key: str, entry: _Entry, table: dict[str, _Entry], effects: list[TransactionEffect]
    ) -> None:
        # An ended transaction leaves first, since its user may start the next one at once.
        if entry.transaction.state is State.TERMINATED:
            table.pop(key, None)
        for effect in effects:
            match effect:
                case Send(message):
                    self.out.append(Transmit(message, entry.hop))
                case Set(timer, seconds):
                    self.out.append(SetTimer(TimerKey(key, timer), seconds))
                case Stop(timer):
                    self.out.append(StopTimer(TimerKey(key, timer)))
                case Deliver(response) if entry.on_answer is not None:
                    entry.on_answer(response)
                case TimedOut() if entry.on_answer is not None:
                    entry.on_answer(None)
                case Failed() if entry.on_failed is not None:
                    entry.on_failed()
                case _:
                    pass


def answer_destination(request: Request, source: Destination) -> Destination:
    """Where a response goes (RFC 3261 section 18.2.2).

    On a stream, to where the request came from, on its connection; else to the source's IP and
    the Via's port, or the source's port if `rport` asks (RFC 3581).
    """
    via = request.via
    if source.transport is not Transport.UDP or via.rport:
        return source
    return replace(source, address=(source.address[0], via.port or SIP_PORT))


def _client_key(branch: str, method: str) -> str:
    return f"client {branch} {method}"


def _server_key(request: Request, method: str) -> str:
    via = request.via
    return f"server {via.branch} {via.host}:{via.port} {method}"
