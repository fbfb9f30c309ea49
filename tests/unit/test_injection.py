"""No text of anybody's ever becomes one more header, host or parameter on the wire.

What route_manager accepts of a provider is taken through the real writer of INVITEs, and what
comes out is read by parsers that share nothing with it. By default it is a short run;
`FUZZ_INJECTION_EXAMPLES=20000 make test ARGS="tests/unit/test_injection.py --timeout 900"` is a
long one.
"""

from __future__ import annotations

import email.policy
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from typing import Any, Final
from urllib.parse import unquote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from call_manager.call import convert as calls
from call_manager.call.dialing import dial_target
from call_manager.call.domain import Address, AddressType, Anonymous, Call, CallStatus, DialState
from call_manager.call.sip_address import Undialable
from call_manager.channel import DialTarget
from call_manager.sip.effects import Destination, Resolved
from call_manager.sip.inviting import LegSpec, Next, plan_invite
from call_manager.sip.message import encode
from call_manager.sip.requests import Identity
from call_manager.sip.sdp import LocalAudio
from call_manager.sip.target import prepare
from mesh.clock import new_id
from mesh.errors import MeshError
from mesh.hosts import port_of
from mesh.numbers import e164
from route_manager.provider.convert import dial_config_to_proto
from route_manager.provider.domain import (
    NumberFormat,
    Provider,
    ProviderSettings,
    Transport,
    checked,
)

EXAMPLES: Final = int(os.environ.get("FUZZ_INJECTION_EXAMPLES", "1000"))
NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
OURS: Final = [
    "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact", "Allow", "Supported",
    "User-Agent", "Content-Type", "Content-Length",
]  # fmt: skip

HOSTILE: Final = st.sampled_from(
    [
        *"\r\n\0\t\v\f\x1c\x1d\x1e\x7f\x85\u2028\u2029\ufeff",
        *'@:;?&=/%<>,"()[]{}\\ ',
        *("\r\nVia: x", "\nRoute: <sip:evil>", "\r\n\r\n", ";lr", "%0d%0aVia: x", "%40evil"),
        *("\uff20", "\uff1a", "\u3002", "\uff0f", "\u2024", "é", "٣", "ⓐ", "\U0001f600"),
    ]
)  # fmt: skip


def usually(good: st.SearchStrategy[str], other: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The good one three times in four, so that several texts together come far."""
    return st.integers(0, 3).flatmap(lambda chosen: good if chosen else other)


def mostly(alphabet: str, *, most: int) -> st.SearchStrategy[str]:
    """Texts of an alphabet, some of them spoiled, some from all of Unicode."""
    plain = st.text(st.sampled_from(alphabet), max_size=most)
    return usually(plain, st.one_of(spoiled(alphabet, most=most), st.text(max_size=most)))


def spoiled(alphabet: str, *, most: int) -> st.SearchStrategy[str]:
    """Texts of an alphabet with one thing in them that does not belong there."""
    plain = st.text(st.sampled_from(alphabet), max_size=most)
    return st.builds(lambda a, evil, b: a + evil + b, plain, HOSTILE, plain)


USER: Final = "0123456789+#*-_.abc"
HOSTNAME: Final = usually(
    st.sampled_from(["a.example", "8.8.8.8:5080", "[2606:4700::1]:5060", "bücher.example."]),
    st.one_of(
        mostly("abc019.-:", most=12),
        st.builds("{}{}".format, st.just("a.example"), mostly(":0156", most=5)),
    ),
)
VALUES: Final = mostly('abcXYZ 0123;=,"<>@', most=24)
TOKENS: Final = st.text(st.sampled_from("XabY-_.!~"), min_size=2, max_size=8)
HEADERS: Final = st.one_of(
    st.dictionaries(TOKENS, VALUES, max_size=3),
    st.dictionaries(mostly("X-abcVia", most=8), VALUES, max_size=3),
)
POSTFIX: Final = st.one_of(
    mostly(USER, most=5), st.builds("{}@{}".format, mostly(USER, most=3), HOSTNAME)
)
NUMBERS: Final = usually(
    st.just("+12125550100"),
    st.one_of(
        st.builds("+1212555{}".format, mostly("0123456789", most=5)),
        mostly("+0123456789()-. ", most=15),
    ),
)
NAMES: Final = mostly('abc "\\<>', most=12)


@dataclass(frozen=True)
class Wish:
    """What a customer asks for."""

    number: str
    name: str
    codecs: str


WISHES: Final = st.builds(
    Wish, number=NUMBERS, name=NAMES, codecs=st.one_of(st.just(""), mostly("PCMUAG729,", most=9))
)


def target_of(provider: Provider, wish: Wish, number: str) -> DialTarget:
    source = Address(AddressType.TEL, "+12125550199", target_name=wish.name)
    call = Call(
        id=new_id(), creation_id=new_id(), position=0, customer_id=new_id(), flow_id=None,
        activeflow_id=None, source=source, destination=Address(AddressType.TEL, number),
        anonymous=Anonymous.NO, metadata={}, status=CallStatus.DIALING, dialroutes=(),
        dial_not_after=NOW, dial_state=DialState.CLAIMED, tm_create=NOW,
    )  # fmt: skip
    return dial_target(call, calls.dial_config(dial_config_to_proto(provider)))


def written(target: DialTarget) -> bytes:
    """Return the INVITE as the channel sends it."""
    identity = Identity("192.0.2.1:5060", "mesh")
    spec = LegSpec(target.call_id, "call@192.0.2.1", "tag", None, identity)
    text = prepare(target, local_host="192.0.2.1", from_tag="tag")
    audio = LocalAudio("192.0.2.1", 4000, text.codecs, 1)
    plan = Resolved((Destination(("198.51.100.1", 5060)),), text, audio)
    return encode(
        plan_invite(spec, Next(plan, Destination(("198.51.100.1", 5060)), (), None, NOW)).request
    )


def judge(raw: bytes, provider: ProviderSettings, number: str) -> None:
    """Read an INVITE as a lenient stranger would, and find in it what was meant and no more."""
    head, _, body = raw.partition(b"\r\n\r\n")
    route = ["Route"] if provider.outbound_proxy else []
    expected = sorted([*OURS, *route, *provider.tech_headers])

    # The most generous reader of lines there is takes a dozen characters for the end of one.
    lines = head.decode("utf-8").splitlines()
    assert len(lines) == 1 + len(expected), lines
    assert sorted(line.partition(":")[0] for line in lines[1:]) == expected

    # A reader of Internet messages finds the same headers, with the same values.
    parsed = BytesHeaderParser(policy=email.policy.HTTP).parsebytes(head.partition(b"\r\n")[2])
    assert sorted(parsed.keys()) == expected
    for name, value in provider.tech_headers.items():
        [line] = [line for line in lines if line.partition(":")[0] == name]
        assert line.partition(":")[2].strip() == value.strip()
    assert int(parsed["Content-Length"]) == len(body)

    if route:
        assert_route(str(parsed["Route"]), provider.outbound_proxy)

    method, uri, version = lines[0].split(" ")
    assert (method, version) == ("INVITE", "SIP/2.0")
    plus = "" if provider.number_format is NumberFormat.DIGITS else "+"
    bare = uri.removesuffix(";transport=tcp")
    found = re.fullmatch(
        r"sip:([^@:;?<>\s\"]+)@(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]+)?", bare
    )
    assert found is not None, uri
    assert bare == uri or provider.transport is Transport.TCP
    part, at, domain = provider.tech_postfix.partition("@")
    assert unquote(found[1]) == f"{provider.tech_prefix}{plus}{number.removeprefix('+')}{part}"
    meant = domain if at else provider.hostname
    if meant.isascii():
        port = provider.port if not at and port_of(meant) is None else 0
        said = re.sub(r"\.(?=:|$)", "", meant) + (f":{port}" if port else "")
        assert f"{found[2]}{found[3] or ''}" == said
    [to] = [line for line in lines if line.startswith("To:")]
    assert to == f"To: <{bare}>"
    [sender] = [line for line in lines if line.startswith("From:")]
    name = r'From: (?:"(?:[^"\\]|\\.)*" )?'
    assert re.fullmatch(
        rf"{name}<sip:{re.escape(plus)}12125550199@192\.0\.2\.1>;tag=tag", sender
    ), sender


def assert_route(route: str, proxy: str) -> None:
    """Find the proxy in the route, as a loose one, and nothing else."""
    found = re.fullmatch(
        r"<sip:((?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]+)?)(?:;transport=tcp)?;lr>", route
    )
    assert found is not None, route
    if proxy.isascii():
        assert found[1] == re.sub(r"\.(?=:|$)", "", proxy)


def test_nothing_that_is_accepted_becomes_anything_else_on_the_wire() -> None:
    ends: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        st.builds(
            ProviderSettings,
            hostname=HOSTNAME,
            tech_prefix=mostly(USER, most=5),
            tech_postfix=POSTFIX,
            tech_headers=HEADERS,
            port=st.sampled_from([0, 0, 0, 5080]),
            transport=st.sampled_from(Transport),
            number_format=st.sampled_from(NumberFormat),
            outbound_proxy=st.one_of(st.just(""), HOSTNAME),
        ),
        WISHES,
    )
    def try_one(raw: ProviderSettings, wish: Wish) -> None:
        number = e164(wish.number)
        if number is None:
            ends["no number"] += 1
            return
        try:
            accepted = checked(replace(raw, codecs=wish.codecs), lab=False)
        except MeshError as error:
            ends[error.reason] += 1
            return
        provider = Provider(new_id(), accepted, NOW)
        try:
            sent = written(target_of(provider, wish, number))
        except (Undialable, ValueError):
            ends["not written"] += 1
            return
        ends["written"] += 1
        judge(sent, accepted, number)

    try_one()
    # Both ways are taken often, or the test shows nothing.
    assert ends["written"] > EXAMPLES * 0.1, ends
    assert sum(ends.values()) - ends["written"] > EXAMPLES * 0.2, ends


def accepted_header(name: str, value: str) -> bool:
    try:
        checked(ProviderSettings("a.example", tech_headers={name: value}), lab=False)
    except MeshError:
        return False
    return True


def try_fields(**fields: Any) -> None:
    """Take a provider that is plain but for some fields to the wire, if it is accepted."""
    provider = ProviderSettings(**{"hostname": "a.example", **fields})
    try:
        checked(provider, lab=False)
    except MeshError:
        return
    wish = Wish("+12125550100", "", "")
    sent = written(target_of(Provider(new_id(), provider, NOW), wish, wish.number))
    judge(sent, provider, wish.number)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.one_of(spoiled("X-abcVia", most=5), st.text(st.sampled_from("XabcY-_.!~%*+`'"), max_size=8)),
    st.one_of(spoiled("abc 0123", most=5), VALUES, st.text(max_size=30)),
)
def test_one_accepted_header_is_one_line(name: str, value: str) -> None:
    try_fields(tech_headers={name: value})
    try_fields(tech_headers={"X-Plain": value})


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.one_of(spoiled("abc019.-", most=3), HOSTNAME),
    st.one_of(spoiled(USER, most=3), st.text(max_size=8)),
    st.one_of(spoiled(USER, most=3), st.builds("@{}".format, spoiled("abc01.-", most=3)), POSTFIX),
)
def test_one_accepted_provider_is_one_address(hostname: str, prefix: str, postfix: str) -> None:
    try_fields(hostname=hostname)
    try_fields(outbound_proxy=hostname)
    try_fields(tech_prefix=prefix)
    try_fields(tech_postfix=postfix)
