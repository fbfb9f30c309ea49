"""A caller that writes its SIP by hand, so that our own message code does not judge itself."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from call_manager.channel import Credentials
from call_manager.simulator.audio import AudioSettings
from call_manager.simulator.endpoint import Simulator, SimulatorSettings
from call_manager.simulator.script import Script
from call_manager.simulator.wires import Listening
from call_manager.sip.timing import Timing

CREDENTIALS = Credentials("carrier", "secret")
DEADLINE_S = 5.0
branches = count(1)
call_ids = count(1)


@dataclass(frozen=True)
class Heard:
    """One message from the carrier."""

    text: str

    @property
    def first_line(self) -> str:
        return self.text.split("\r\n", 1)[0]

    @property
    def status(self) -> int:
        return int(self.first_line.split(" ")[1]) if self.text.startswith("SIP/2.0 ") else 0

    @property
    def body(self) -> str:
        return self.text.partition("\r\n\r\n")[2]

    def header(self, name: str) -> str:
        found = re.search(rf"^{name}: *(.*?)\r$", self.text, re.MULTILINE | re.IGNORECASE)
        assert found is not None, f"no {name} in:\n{self.text}"
        return found[1]

    @property
    def audio_port(self) -> int:
        return int(self.body.partition("m=audio ")[2].split(" ")[0])

    @property
    def to_tag(self) -> str:
        return self.header("To").rpartition("tag=")[2]


class Caller(asyncio.DatagramProtocol):
    """One UDP phone."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Heard] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport
        self.port = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.inbox.put_nowait(Heard(data.decode("latin-1")))

    async def hear(self, within_s: float = DEADLINE_S) -> Heard:
        async with asyncio.timeout(within_s):
            return await self.inbox.get()

    async def hear_statuses(self, *expected: int) -> Heard:
        """Hear exactly these statuses, in order; return the last message."""
        heard = [await self.hear() for _ in expected]
        assert [one.status for one in heard] == list(expected)
        return heard[-1]

    async def hears_nothing(self, for_s: float) -> None:
        with suppress(TimeoutError):
            extra = await self.hear(for_s)
            pytest.fail(f"unexpected: {extra.text}")


@dataclass
class Dialled:
    """One call of the caller's, and how its messages are written."""

    caller: Caller
    carrier: tuple[str, int]
    number: str
    rtp_port: int = 4000
    call_id: str = field(default_factory=lambda: f"call-{next(call_ids)}@caller")
    branch: str = ""
    cseq: int = 0

    @property
    def uri(self) -> str:
        return f"sip:{self.number}@{self.carrier[0]}:{self.carrier[1]}"

    def sdp(self) -> str:
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp_port} RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\n"
        )

    def send(self, method: str, *headers: str, to: str = "", body: str = "") -> str:
        """Write and send one request; return its text, for sending it again."""
        lines = [
            f"{method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.caller.port};branch={self.branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:+12025550199@127.0.0.1>;tag=from-{self.call_id}",
            f"To: {to or f'<{self.uri}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: <sip:me@127.0.0.1:{self.caller.port}>",
            *headers,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        text = "\r\n".join(lines) + "\r\n\r\n" + body
        self.resend(text)
        return text

    def resend(self, text: str) -> None:
        self.caller.transport.sendto(text.encode("latin-1"), self.carrier)

    def invite(self, *headers: str, body: str | None = None) -> str:
        self.cseq += 1
        self.branch = f"z9hG4bK-{next(branches)}"
        return self.send("INVITE", *headers, body=self.sdp() if body is None else body)

    def ack(self, answer: Heard) -> None:
        """Acknowledge: a 2xx in a transaction of its own, a refusal in the INVITE's."""
        if answer.status < 300:
            self.branch = f"z9hG4bK-{next(branches)}"
        self.send("ACK", to=answer.header("To"))

    def cancel(self) -> None:
        self.send("CANCEL")

    def bye(self, answer: Heard) -> None:
        self.cseq += 1
        self.branch = f"z9hG4bK-{next(branches)}"
        self.send("BYE", to=answer.header("To"))

    def accept_bye(self, bye: Heard) -> None:
        """Answer the carrier's BYE with 200."""
        self.accept(bye)

    def accept(self, request: Heard, body: str = "") -> None:
        """Answer a request of the carrier's with 200."""
        copied = [
            f"{name}: {request.header(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")
        ]
        lines = ["SIP/2.0 200 OK", *copied, f"Contact: <sip:me@127.0.0.1:{self.caller.port}>"]
        lines += ["Content-Type: application/sdp"] if body else []
        self.resend("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]))


class Phone:
    """The caller's end of the audio."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._sequence = 0

    async def hear(self, within_s: float = DEADLINE_S) -> bytes:
        """Return the next packet."""
        async with asyncio.timeout(within_s):
            return await asyncio.get_running_loop().sock_recv(self._socket, 2048)

    async def hears_nothing(self, for_s: float) -> None:
        with suppress(TimeoutError):
            pytest.fail(f"unexpected: {(await self.hear(for_s)).hex()}")

    def say(self, answer: Heard, payload: bytes, payload_type: int = 8, timestamp: int = 0) -> None:
        """Send one packet to where the carrier listens."""
        self._sequence += 1
        header = struct.pack("!BBHII", 0x80, payload_type, self._sequence, timestamp, 7)
        self._socket.sendto(header + payload, ("127.0.0.1", answer.audio_port))

    def close(self) -> None:
        self._socket.close()


Events = list[tuple[str, dict[str, object]]]
Started = Callable[..., Awaitable[Simulator]]


@pytest.fixture
def events() -> Events:
    """What the carrier reported."""
    return []


@pytest.fixture
async def start_carrier(events: Events) -> AsyncIterator[Started]:
    """Start a simulated carrier in this process; `t1_s` shortens its timers."""
    running: list[Simulator] = []

    async def start(
        *,
        t1_s: float = 0.5,
        calls_max: int = 100,
        muted: bool = False,
        heard_dir: Path | None = None,
        script: dict[str, Any] | None = None,
        listening: Listening | None = None,
    ) -> Simulator:
        settings = SimulatorSettings(
            listening or Listening(("127.0.0.1", 0)),
            CREDENTIALS,
            AudioSettings("127.0.0.1", (26_000, 27_998), muted=muted, heard_dir=heard_dir),
            calls_max=calls_max,
            answers=Script.model_validate(script or {}),
            timing=Timing(t1_s),
        )
        simulator = Simulator(settings, lambda event, /, **facts: events.append((event, facts)))
        await simulator.start()
        running.append(simulator)
        return simulator

    yield start
    for simulator in running:
        await simulator.stop(grace_s=0.0)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """A phone on a loopback port of its own."""
    phone = Caller()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: phone, local_addr=("127.0.0.1", 0))
    phone.transport = transport
    phone.port = transport.get_extra_info("sockname")[1]
    yield phone
    transport.close()


@pytest.fixture
async def carrier(start_carrier: Started) -> Simulator:
    """A carrier with the RFC's own timers."""
    return await start_carrier()


Dial = Callable[[str], Dialled]


@pytest.fixture
def dial(carrier: Simulator, caller: Caller) -> Dial:
    """Prepare a call to a number at `carrier`; `invite()` places it."""
    return lambda number: Dialled(caller, carrier.address, number)


@pytest.fixture
def phone() -> Iterator[Phone]:
    """A loopback port that audio can be sent to."""
    made = Phone()
    yield made
    made.close()


def facts(events: Events, event: str) -> dict[str, object]:
    """Return the facts of the first report of an event."""
    return next(found for name, found in events if name == event)
