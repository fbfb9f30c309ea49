"""Settings, addresses, resolution and targets: what they refuse, and in which words."""

from __future__ import annotations

import asyncio
import errno
import sys

import pytest

from call_manager.channel import DnsRecord, NextHop
from call_manager.sip.effects import read_address
from call_manager.sip.settings import SipSettings
from call_manager.sip.target import prepare
from call_manager.sip.transport.connecting import NotConnected, reason_of
from call_manager.sip.transport.lookup import Lookup, Records, ResolveError
from call_manager.sip.transport.resolve import Resolver
from call_manager.sip.transport.udp import Handlers, UdpSocket
from mesh.addresses import write_address
from mesh.clock import SystemClock
from tests.support.sip_calls import a_target


def answering(*addresses: str) -> Lookup:
    """A DNS that knows these addresses of every host, and no services."""

    async def lookup(name: str, kind: str) -> Records:
        return tuple(DnsRecord(name, "A", 60, a) for a in addresses if kind == "A")

    return lookup


@pytest.mark.parametrize(
    ("text", "address"), [("1.2.3.4:5", ("1.2.3.4", 5)), ("[::1]:0", ("::1", 0))]
)
def test_addresses_are_read_and_written(text: str, address: tuple[str, int]) -> None:
    assert read_address(text) == address
    assert write_address(address) == text


@pytest.mark.parametrize("text", ["", "1.2.3.4", ":5", "h:", "h:x", "h:70000", "h:²"])
def test_half_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        read_address(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"listen": "0.0.0.0:5060"},
        {"listen": "carrier.example:5060"},
        {"listen": "127.0.0.1"},
        {"advertised": "name:5060"},
        {"rtp_listen": "x"},
        {"t1_s": 0.0},
        {"legs_max": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        SipSettings(**changes)  # type: ignore[arg-type]


def test_an_advertised_address_may_leave_the_port_to_the_socket() -> None:
    settings = SipSettings(listen="0.0.0.0:0", advertised="192.0.2.1:0", rtp_listen="10.0.0.1")
    assert settings.advertise(("0.0.0.0", 4711)) == ("192.0.2.1", 4711)
    assert settings.rtp_host == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("::ffff:10.0.0.1", False),
        ("2606:4700::1", True),
        ("fe80::1", False),
        ("no address", False),
    ],
)
def test_only_public_addresses_are_allowed_outside_the_lab(address: str, public: bool) -> None:
    assert Resolver(ipv6=False, allow_private=False, lookup=answering()).allows(address) is public


async def test_a_name_gives_its_public_addresses_in_order() -> None:
    lookup = answering("9.9.9.9", "10.0.0.1", "8.8.8.8")
    resolver = Resolver(ipv6=False, allow_private=False, lookup=lookup)
    places = await resolver.locate(NextHop("carrier.test", 5070))
    assert [place.address for place in places] == [("9.9.9.9", 5070), ("8.8.8.8", 5070)]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [([], "has no IPv4 address"), (["10.0.0.1"], "only private or reserved"), (["::1"], "no IPv4")],
)
async def test_a_name_without_usable_addresses_says_why(found: list[str], sentence: str) -> None:
    resolver = Resolver(ipv6=False, allow_private=False, lookup=answering(*found))
    with pytest.raises(ResolveError, match=sentence):
        await resolver.locate(NextHop("carrier.test"))


async def test_a_slow_dns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(_name: str, _kind: str) -> Records:
        await asyncio.sleep(60)
        return ()

    monkeypatch.setattr("call_manager.sip.transport.resolve.RESOLVE_S", 0.02)
    with pytest.raises(ResolveError, match="within 5 s"):
        await Resolver(ipv6=False, allow_private=False, lookup=lookup).locate(NextHop("a.test"))


@pytest.mark.parametrize(("number", "told"), [(errno.ECONNREFUSED, 1), (errno.EMSGSIZE, 0)])
async def test_a_datagram_too_long_for_its_path_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, number: int, told: int
) -> None:
    undelivered: list[str] = []
    handlers = Handlers(lambda *_: None, lambda _raw, why: undelivered.append(why))
    sock = UdpSocket(SystemClock(), handlers)
    queue = [(b"INVITE", [(0, 11, number.to_bytes(4, sys.byteorder))], 0, None)]

    def recvmsg(_socket: object, *_: object) -> object:
        if not queue:
            raise BlockingIOError
        return queue.pop()

    sock.bind(("127.0.0.1", 0))
    monkeypatch.setattr("call_manager.sip.transport.udp.socket.socket.recvmsg", recvmsg)
    sock.send(b"x", ("127.0.0.1", 9))
    sock._on_readable()
    assert len(undelivered) == told
    sock.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "raw"), "Connection refused"),
        (OSError(errno.EINVAL, "raw"), "no way leads there from the address that SIP is sent from"),
        (NotConnected("The connection is closed."), "The connection is closed."),
    ],
)
def test_why_nothing_can_be_sent_is_said_without_numbers(error: OSError, words: str) -> None:
    assert reason_of(error) == words


@pytest.mark.parametrize("character", ["\n", "\x85", "\u2028", "\u2029"])
def test_a_name_that_some_reader_takes_for_two_lines_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        prepare(a_target(1, from_display=f"a{character}b"), local_host="127.0.0.1", from_tag="t")


def test_a_target_becomes_header_values() -> None:
    target = a_target(
        5060,
        from_display='A "B" \\',
        headers=(("Privacy", "id"), ("X-H", "a{local}b")),
    )
    text = prepare(target, local_host="192.0.2.1", from_tag="t")
    assert text.from_header == '"A \\"B\\" \\\\" <sip:+15550111@192.0.2.1>;tag=t'
    assert text.headers == (("Privacy", "id"), ("X-H", "a192.0.2.1b"))
    assert text.codecs == ("PCMU", "PCMA")
