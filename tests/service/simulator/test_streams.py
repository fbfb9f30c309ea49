"""The same behaviour over TCP and TLS, and what a lab's own authority is good for."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from call_manager.channel import Transport
from call_manager.simulator import lab_ca
from call_manager.simulator.endpoint import Simulator
from call_manager.simulator.wires import Listening, Receivers, Wires
from tests.service.simulator.conftest import (
    DEADLINE_S,
    Dialled,
    Events,
    Heard,
    Started,
    facts,
)
from tests.service.simulator.test_protocol import authorization
from tests.support.running_mesh import eventually

LOCAL = ("127.0.0.1", 0)


class Line:
    """A connection to the carrier, with the interface that `Dialled` writes to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.port = int(writer.get_extra_info("sockname")[1])
        self.transport = self
        self.send: Callable[[bytes], object] = writer.write

    def sendto(self, octets: bytes, _to: object) -> None:
        self.send(octets.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP"))

    async def hear(self) -> Heard:
        async with asyncio.timeout(DEADLINE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().rpartition(b"content-length:")[2].split(b"\r\n")[0])
            return Heard((head + await self._reader.readexactly(length)).decode())

    async def hear_statuses(self, *expected: int) -> Heard:
        heard = [await self.hear() for _ in expected]
        assert [one.status for one in heard] == list(expected)
        return heard[-1]

    async def raw(self, octets: bytes, size: int) -> bytes:
        self._writer.write(octets)
        async with asyncio.timeout(DEADLINE_S):
            return await self._reader.read(size)

    async def write(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def connected(
    carrier: Simulator, transport: Transport, ca: Path | None = None
) -> AsyncIterator[tuple[Line, Dialled]]:
    context = None if ca is None else ssl.create_default_context(cafile=str(ca))
    reader, writer = await asyncio.open_connection(*carrier.addresses[transport], ssl=context)
    line = Line(reader, writer)
    try:
        yield line, Dialled(line, carrier.addresses[transport], "+12025550120")  # type: ignore[arg-type]
    finally:
        await line.close()


@pytest.fixture
async def carrier(start_carrier: Started, tmp_path: Path) -> Simulator:
    files = lab_ca.prepare(tmp_path, "127.0.0.1")
    context = lab_ca.server_context(files.certificate, files.key)
    return await start_carrier(
        t1_s=0.05, listening=Listening(LOCAL, tcp=True, tls=LOCAL, tls_context=context)
    )


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
async def test_a_call_over_a_stream_stays_on_its_connection(
    carrier: Simulator, tmp_path: Path, events: Events, transport: Transport
) -> None:
    ca = tmp_path / "ca.pem" if transport is Transport.TLS else None
    async with connected(carrier, transport, ca) as (line, call):
        call.invite()
        answer = await line.hear_statuses(100, 180, 200)
        host, port = carrier.addresses[transport]
        assert answer.header("Contact") == f"<sip:carrier@{host}:{port};transport={transport}>"
        call.ack(answer)
        bye = await line.hear()
        assert bye.first_line.startswith("BYE ")
        assert bye.header("Via").startswith(f"SIP/2.0/{transport.upper()} {host}:{port};")
        call.accept(bye)
        await eventually(lambda: "over" in [name for name, _ in events])
    assert facts(events, "over")["transport"] == transport


async def test_a_challenged_call_over_tcp_is_one_call(carrier: Simulator) -> None:
    # Its transactions end at once, and yet it is remembered that its nonce was stale once.
    async with connected(carrier, Transport.TCP) as (line, call):
        call.number = "+12025557004"
        call.invite()
        challenged = await line.hear_statuses(100, 401)
        for statuses in ((100, 401), (100, 180, 200)):
            call.ack(challenged)
            call.invite(authorization(call, challenged, "secret", "Authorization"))
            challenged = await line.hear_statuses(*statuses)
        call.ack(challenged)


async def test_tcp_listens_where_udp_does(carrier: Simulator) -> None:
    assert carrier.addresses[Transport.TCP] == carrier.addresses[Transport.UDP]


async def test_messages_that_arrive_in_pieces_are_put_together(carrier: Simulator) -> None:
    async with connected(carrier, Transport.TCP) as (line, call):
        call.number, call.cseq, call.branch = "health", 1, "z9hG4bK-pieces"
        octets: list[bytes] = []
        line.send = octets.append
        call.send("OPTIONS")
        (whole,) = octets
        assert await line.raw(b"\r\n\r\n", 100) == b"\r\n"
        for start in range(0, len(whole), 50):
            await line.write(whole[start : start + 50])
        await line.hear_statuses(200)


async def test_a_stream_without_lengths_is_closed(carrier: Simulator, events: Events) -> None:
    async with connected(carrier, Transport.TCP) as (line, _):
        assert await line.raw(b"OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n\r\n", 100) == b""
    assert "Content-Length" in str(facts(events, "malformed")["detail"])


async def test_the_bye_of_a_call_whose_connection_is_gone_goes_to_its_contact(
    carrier: Simulator,
) -> None:
    async with connected(carrier, Transport.TCP) as (line, call):
        call.number = "+12025550121"
        server = await asyncio.start_server(lambda r, w: taken.put_nowait(Line(r, w)), "127.0.0.1")
        taken: asyncio.Queue[Line] = asyncio.Queue()
        line.port = server.sockets[0].getsockname()[1]
        call.invite()
        answer = await line.hear_statuses(100, 180, 200)
        call.ack(answer)
    async with asyncio.timeout(DEADLINE_S):
        back = await taken.get()
    assert (await back.hear()).first_line.startswith("BYE ")
    server.close()
    await back.close()


def test_a_lab_s_certificates_are_kept_while_they_are_good(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    files = lab_ca.prepare(folder, "127.0.0.1")
    first = files.ca.read_bytes()
    assert lab_ca.prepare(folder, "127.0.0.1").ca.read_bytes() == first
    assert lab_ca.prepare(folder, "127.0.0.2").ca.read_bytes() != first
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["ca.pem", "cert.pem", "key.pem"]


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_a_lab_s_certificate_that_fits_no_more_is_made_anew(tmp_path: Path, name: str) -> None:
    other, files = (lab_ca.prepare(tmp_path / folder, "127.0.0.1") for folder in "ab")
    (files.directory / name).write_bytes((other.directory / name).read_bytes())
    again = lab_ca.prepare(files.directory, "127.0.0.1")
    lab_ca.server_context(again.certificate, again.key)
    assert again.ca.read_bytes() != other.ca.read_bytes()


async def test_a_port_that_another_has_for_tcp_is_not_taken_for_udp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wires = Wires(Receivers(lambda *_: None, lambda *_: None))
    listen = wires._listen
    taken: list[Any] = []

    async def taken_at_first(transport: Transport, address: Any, context: Any) -> None:
        if not taken:
            taken.append(address)
            raise OSError(errno.EADDRINUSE, "address already in use")
        await listen(transport, address, context)

    monkeypatch.setattr(wires, "_listen", taken_at_first)
    await wires.open(Listening(udp=LOCAL, tcp=True))
    try:
        assert len(taken) == 1
        assert wires.addresses[Transport.TCP] == wires.addresses[Transport.UDP]
    finally:
        wires.close()
