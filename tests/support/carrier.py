"""A carrier for many calls at once: answers, rings or refuses, and counts what reaches it.

It is no part of the mesh and shares no code with it, so what it counts can judge the mesh. It
retransmits its 200 until the ACK comes, as a carrier must (RFC 3261 section 13.3.1.4): a mesh
that was killed meets it again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

Address = tuple[str, int]

T1_S: Final = 0.5
GIVE_UP_S: Final = 32.0

_SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP {payload}\r\n"
)


@dataclass
class Leg:
    """What the carrier knows of one SIP Call-ID."""

    call_id: str
    number: str
    """The user part of the Request-URI."""
    invite: str
    """The newest INVITE that is no retransmission."""
    branches: list[str] = field(default_factory=list)
    """One per INVITE transaction; a retransmission adds none."""
    requests: list[str] = field(default_factory=list)
    """The methods that came, retransmissions included."""
    answered: bool = False
    acked: bool = False
    over: bool = False
    """A BYE, a CANCEL or the ACK of a refusal came."""

    def header(self, name: str) -> str:
        """The one value of a header of the INVITE; fails when there is none or several."""
        (value,) = headers(self.invite, name)
        return value


class Carrier(asyncio.DatagramProtocol):
    """A UDP socket on loopback that speaks enough SIP to be called.

    With `code` 200 it rings for `ring_s` and answers, or rings for ever when that is None; any
    other code refuses at once.
    """

    def __init__(self, code: int, ring_s: float | None) -> None:
        self.address = ""
        self.legs: dict[str, Leg] = {}
        self.silent = False
        """While it is set, nothing is heard and nothing is said."""
        self._code = code
        self._ring_s = ring_s
        self._media_port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def to(self, number: str) -> list[Leg]:
        """Return the legs to one number, one per SIP Call-ID."""
        return [leg for leg in self.legs.values() if leg.number == number]

    @property
    def numbers(self) -> list[str]:
        """The numbers that were dialled, in order."""
        return [leg.number for leg in self.legs.values()]

    @property
    def open_legs(self) -> list[Leg]:
        """The legs that somebody still has to end."""
        return [leg for leg in self.legs.values() if not leg.over]

    def open(self, transport: asyncio.DatagramTransport, media_port: int) -> None:
        """Begin to answer over `transport`."""
        self._transport, self._media_port = transport, media_port
        self.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"

    async def close(self) -> None:
        """End what still rings or retransmits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        text = data.decode("utf-8", "replace")
        method, _, rest = text.partition(" ")
        if method.startswith("SIP/") or self.silent:
            return
        (call_id,) = headers(text, "Call-ID")
        if method == "INVITE":
            self._invited(call_id, rest, text, addr)
            return
        leg = self.legs.get(call_id)
        if leg is not None:
            leg.requests.append(method)
        match method, leg:
            case "ACK", Leg():
                leg.acked, leg.over = True, leg.over or not leg.answered
            case "BYE", Leg():
                leg.over = True
                self._reply(text, addr, 200)
            case "CANCEL", Leg():
                self._reply(text, addr, 200)
                if not leg.answered and not leg.over:
                    leg.over = True
                    self._reply(leg.invite, addr, 487)
            case "ACK", None:
                pass
            case _:
                self._reply(text, addr, 200 if leg is not None else 481)

    def _invited(self, call_id: str, rest: str, text: str, addr: Address) -> None:
        number = re.match(r"sips?:([^@;]*)@", rest)
        leg = self.legs.setdefault(call_id, Leg(call_id, number[1] if number else "", text))
        leg.requests.append("INVITE")
        if branch(text) in leg.branches:
            return
        leg.branches.append(branch(text))
        leg.invite = text
        task = asyncio.create_task(self._take(leg, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, leg: Leg, addr: Address) -> None:
        if self._code != 200:
            self._reply(leg.invite, addr, self._code)
            return
        self._reply(leg.invite, addr, 180)
        if self._ring_s is None:
            return
        await asyncio.sleep(self._ring_s)
        if leg.over:
            return
        leg.answered = True
        wait_s, waited_s = T1_S, 0.0
        while not leg.acked and waited_s < GIVE_UP_S:
            self._reply(leg.invite, addr, 200)
            await asyncio.sleep(wait_s)
            waited_s, wait_s = waited_s + wait_s, min(2 * wait_s, 8 * T1_S)

    def _reply(self, request: str, addr: Address, code: int) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        (to_header,), (cseq,) = headers(request, "To"), headers(request, "CSeq")
        body = ""
        if code == 200 and cseq.endswith("INVITE"):
            # PCMU where it is offered, else PCMA (RFC 3551 section 6); neither needs a rtpmap.
            payload = 0 if re.search(r"^m=audio \d+ RTP/AVP[^\r]* 0\b", request, re.M) else 8
            body = _SDP.format(port=self._media_port, payload=payload)
        lines = [
            f"SIP/2.0 {code} Because",
            *(f"Via: {value}" for value in headers(request, "Via")),
            *(f"From: {value}" for value in headers(request, "From")),
            f"To: {to_header if 'tag=' in to_header else to_header + ';tag=carrier'}",
            *(f"Call-ID: {value}" for value in headers(request, "Call-ID")),
            f"CSeq: {cseq}",
            f"Contact: <sip:{self.address}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._send(request, lines, body, addr)

    def _send(self, _request: str, lines: list[str], body: str, addr: Address) -> None:
        if self._transport is not None:
            self._transport.sendto("\r\n".join([*lines, "", body]).encode(), addr)


def headers(message: str, name: str) -> list[str]:
    """Return the values of a header, its name's case ignored."""
    head = message.partition("\r\n\r\n")[0]
    return re.findall(rf"(?im)^{re.escape(name)}[ ]*: ?([^\r\n]*)", head)


def branch(request: str) -> str:
    """Return what names the transaction (RFC 3261 section 8.1.1.7)."""
    found = re.search(r"branch=([^;,\s]+)", headers(request, "Via")[0])
    assert found is not None
    return found[1]


@asynccontextmanager
async def carrier(
    code: int = 200, ring_s: float | None = 0.02, *, kind: type[Carrier] = Carrier
) -> AsyncIterator[Carrier]:
    """Listen on a free port; `address` is what a provider's hostname must be."""
    loop = asyncio.get_running_loop()
    # Somebody must take the audio, or the kernel tells the mesh that nobody does.
    media, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    transport, made = await loop.create_datagram_endpoint(
        lambda: kind(code, ring_s), local_addr=("127.0.0.1", 0)
    )
    made.open(transport, media.get_extra_info("sockname")[1])
    try:
        yield made
    finally:
        await made.close()
        transport.close()
        media.close()
