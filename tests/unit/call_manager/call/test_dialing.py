"""What reaches the wire of a carrier's configuration (CONTRACT.md section 3.7)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.call.dialing import (
    DialConfig,
    NumberFormat,
    dial_target,
    direct_config,
    split_host,
)
from call_manager.call.domain import (
    Address,
    AddressType,
    Anonymous,
    Call,
    CallStatus,
    DialState,
)
from call_manager.call.sip_address import SipAddress, Undialable, escape_user
from call_manager.channel import DialTarget, NextHop, Transport

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLAIN = DialConfig(provider_id=uuid4(), hostname="sip.carrier.example")


def tel(number: str, name: str = "") -> Address:
    return Address(AddressType.TEL, number, target_name=name)


CALL = Call(
    id=uuid4(),
    creation_id=uuid4(),
    position=0,
    customer_id=uuid4(),
    flow_id=None,
    activeflow_id=None,
    source=tel("+15550100001", "Test desk"),
    destination=tel("+15550100002"),
    anonymous=Anonymous.AUTO,
    metadata={},
    status=CallStatus.DIALING,
    dialroutes=(),
    dial_not_after=NOW,
    dial_state=DialState.CLAIMED,
    tm_create=NOW,
)


def dialled(call: Call = CALL, **config: Any) -> DialTarget:
    return dial_target(call, replace(PLAIN, **config))


@pytest.mark.parametrize(
    ("config", "uri"),
    [
        ({}, "sip:+15550100002@sip.carrier.example"),
        ({"hostname": "sip.carrier.example:5080"}, "sip:+15550100002@sip.carrier.example:5080"),
        ({"hostname": "[2001:db8::1]:5080"}, "sip:+15550100002@[2001:db8::1]:5080"),
        ({"tech_prefix": "9977#"}, "sip:9977#+15550100002@sip.carrier.example"),
        ({"tech_prefix": "9*", "tech_postfix": "#1"}, "sip:9*+15550100002#1@sip.carrier.example"),
        ({"tech_postfix": "@provider.com"}, "sip:+15550100002@provider.com"),
        ({"tech_postfix": "00@provider.com:5070"}, "sip:+1555010000200@provider.com:5070"),
        ({"tech_prefix": "a b"}, "sip:a%20b+15550100002@sip.carrier.example"),
        ({"tech_prefix": "%23"}, "sip:%23+15550100002@sip.carrier.example"),
        ({"tech_prefix": "%zz"}, "sip:%25zz+15550100002@sip.carrier.example"),
        ({"tech_prefix": "x@evil.example"}, "sip:x%40evil.example+15550100002@sip.carrier.example"),
    ],
)
def test_a_number_is_wrapped_in_prefix_and_postfix(config: dict[str, Any], uri: str) -> None:
    assert dialled(**config).request_uri == uri


@pytest.mark.parametrize("postfix", ["", "@provider.com", "1@provider.com"])
def test_the_invite_goes_to_the_hostname_whatever_the_uri_says(postfix: str) -> None:
    target = dialled(hostname="sip.carrier.example:5080", tech_postfix=postfix)
    assert (target.next_hop.host, target.next_hop.port) == ("sip.carrier.example", 5080)


def test_without_a_port_the_channel_chooses() -> None:
    assert dialled().next_hop.port is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip.example", ("sip.example", None)),
        ("192.0.2.1:5061", ("192.0.2.1", 5061)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("[2001:db8::1]:6000", ("2001:db8::1", 6000)),
    ],
)
def test_a_hostname_is_split_from_its_port(text: str, expected: tuple[str, int | None]) -> None:
    assert split_host(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a b", "host;lr", "host:0", "host:65536", "host:", "a@b", "h\r\nVia: x", "2001:db8::1"],
)
def test_a_hostname_that_is_none_is_not_dialled(text: str) -> None:
    with pytest.raises(Undialable):
        dialled(hostname=text)


def test_a_domain_in_the_postfix_that_is_none_is_not_dialled() -> None:
    with pytest.raises(Undialable):
        dialled(tech_postfix="@provider.com;transport=tcp")


@pytest.mark.parametrize("target", ["bob@office.example:5070", "sip:bob@office.example:5070"])
def test_a_sip_destination_is_its_own_uri_at_the_carriers_host(target: str) -> None:
    call = replace(CALL, destination=Address(AddressType.SIP, target))
    got = dialled(
        call,
        tech_prefix="99",
        tech_postfix="@provider.com",
        codecs=("G722",),
        tech_headers=(("X-Account", "42"),),
        username="u",
        password="p",
    )
    assert got.request_uri == "sip:bob@office.example:5070"
    assert got.next_hop.host == "sip.carrier.example"
    assert got.codecs == ()
    assert got.headers == (("X-Account", "42"),)
    assert got.credentials is not None


@pytest.mark.parametrize(
    ("target", "uri", "host", "port"),
    [
        ("bob@office.example", "sip:bob@office.example", "office.example", None),
        ("SIP:bob@office.example:5070", "sip:bob@office.example:5070", "office.example", 5070),
        ("b.o%40b@192.0.2.1:1", "sip:b.o%40b@192.0.2.1:1", "192.0.2.1", 1),
        ("bob@[2001:DB8::1]:5070", "sip:bob@[2001:DB8::1]:5070", "2001:DB8::1", 5070),
        ("bob@office.example.", "sip:bob@office.example", "office.example", None),
        ("bob@b\u00fcro.example", "sip:bob@xn--bro-hoa.example", "xn--bro-hoa.example", None),
    ],
)
def test_a_sip_address_alone_is_dialled_at_its_own_host(
    target: str, uri: str, host: str, port: int | None
) -> None:
    destination = Address(AddressType.SIP, target)
    call = replace(CALL, destination=destination, metadata={"codecs": "PCMA"})
    config = direct_config(destination)
    got = dial_target(call, config)
    assert (got.request_uri, got.next_hop.host, got.next_hop.port) == (uri, host, port)
    assert (got.headers, got.codecs, got.credentials) == ((), ("PCMA",), None)
    assert config.provider_id is None


def test_who_is_called_without_a_carrier_does_not_learn_who_hides() -> None:
    destination = Address(AddressType.SIP, "bob@office.example")
    hidden = replace(CALL, destination=destination, anonymous=Anonymous.YES)
    got = dial_target(hidden, direct_config(destination))
    assert got.headers == (("Privacy", "id"),)
    assert "15550100001" not in repr(got)


def test_a_number_is_not_dialled_without_a_carrier() -> None:
    with pytest.raises(Undialable, match="No carrier"):
        direct_config(tel("+15550100002"))


@pytest.mark.parametrize(
    "target",
    ["bob", "@host", "bob@", "a@b@host", "bob:secret@host", "bob@host;transport=tcp",
     "bob;lr@host", "bob?Route=x@host", "bob@host?Route=x", "b b@host", "bob@127.1", "bob@a..b",
     "bob@-a.example", "sips:bob@host", "tel:+15550100002", "bob@host\r\nVia: x", "b\0@host"],
)  # fmt: skip
def test_a_sip_address_takes_nothing_but_user_host_and_port(target: str) -> None:
    with pytest.raises(Undialable):
        direct_config(Address(AddressType.SIP, target))


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_sip_address_makes_more_than_one_plain_uri(user: str, host: str) -> None:
    try:
        uri = SipAddress.parse(f"{user}@{host}").uri
    except Undialable:
        return
    assert uri.count("@") == 1
    assert uri.isascii()
    assert not set(uri) & set('\r\n <>;?"')


def test_a_number_gets_the_carriers_codecs_in_order() -> None:
    assert dialled(codecs=("G729", "PCMU")).codecs == ("G729", "PCMU")
    configured = replace(CALL, metadata={"codecs": "PCMA"})
    assert dialled(configured, codecs=("G729", "PCMU")).codecs == ("G729", "PCMU")


def test_a_sip_address_gets_the_codecs_its_call_was_created_with() -> None:
    address = Address(AddressType.SIP, "bob@office.example")
    call = replace(CALL, destination=address, metadata={"codecs": "PCMA,PCMU"})
    assert dialled(call, codecs=("G722",)).codecs == ("PCMA", "PCMU")


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        (tel("+15550100001"), "sip:+15550100001@{local}"),
        (tel("+1 (555) 010-0001"), "sip:+15550100001@{local}"),
        (Address(AddressType.SIP, "alice@office.example"), "sip:alice@office.example"),
        (Address(AddressType.EXTENSION, "10 1"), "sip:10%201@{local}"),
    ],
)
def test_a_shown_caller_is_in_from(source: Address, uri: str) -> None:
    assert dialled(replace(CALL, source=source)).from_uri == uri


@pytest.mark.parametrize(
    ("written", "target", "user"),
    [
        (NumberFormat.DIGITS, "+15550100001", "15550100001"),
        # Nobody has numbers of these countries, or of that length.
        (NumberFormat.DIGITS, "+999123456789", "999123456789"),
        (NumberFormat.DIGITS, "+1 (200) 555-0", "12005550"),
        (NumberFormat.DIGITS, "+0", "0"),
        (NumberFormat.E164, "+999123456789", "+999123456789"),
        (NumberFormat.DIGITS, "112", "112"),
        (NumberFormat.E164, "112", "112"),
        # Words stay words.
        (NumberFormat.DIGITS, "St. John (desk-1)", "St.%20John%20(desk-1)"),
        (NumberFormat.E164, "+desk", "+desk"),
        (NumberFormat.DIGITS, "+desk", "+desk"),
        (NumberFormat.DIGITS, "...", "..."),
    ],
)
def test_a_caller_is_written_as_the_carrier_wants_numbers_and_in_its_own_words(
    written: NumberFormat, target: str, user: str
) -> None:
    got = dialled(replace(CALL, source=tel(target)), number_format=written)
    assert got.from_uri == f"sip:{user}@{{local}}"


@given(st.from_regex(r"\+[0-9]{1,20}", fullmatch=True))
def test_no_number_keeps_its_plus_where_digits_are_wanted(number: str) -> None:
    call = replace(CALL, destination=tel(number), source=tel(number))
    got = dialled(call, number_format=NumberFormat.DIGITS)
    assert "+" not in got.request_uri + got.from_uri


def test_the_display_name_is_the_sources() -> None:
    assert dialled().from_display == "Test desk"


@pytest.mark.parametrize("anonymous", [Anonymous.NO, Anonymous.AUTO])
def test_a_shown_caller_is_not_asserted(anonymous: Anonymous) -> None:
    assert dialled(replace(CALL, anonymous=anonymous)).headers == ()


def test_a_hidden_caller_is_asserted_to_the_carrier_alone() -> None:
    hidden = replace(CALL, anonymous=Anonymous.YES, source=tel("+1 555 0100001", "Test desk"))
    got = dialled(hidden, tech_headers=(("X-CustomerID", "a"), ("x-lower", "b")))
    assert got.from_uri == "sip:anonymous@anonymous.invalid"
    assert got.from_display == "Anonymous"
    assert got.headers == (
        ("X-CustomerID", "a"),
        ("x-lower", "b"),
        ("P-Asserted-Identity", "<tel:+15550100001>"),
        ("Privacy", "id"),
    )


def test_without_a_user_name_there_are_no_credentials() -> None:
    assert dialled(password="p").credentials is None


def test_the_snapshot_of_an_attempt_has_everything_but_secrets() -> None:
    config = replace(
        PLAIN,
        tech_prefix="9",
        tech_headers=(("X-A", "1"), ("X-Secret", "0123456789")),
        secret_headers=frozenset({"x-secret"}),
        codecs=("PCMU",),
        username="user",
        password="s3cret",
    )
    assert config.snapshot() == {
        "hostname": "sip.carrier.example",
        "tech_prefix": "9",
        "tech_postfix": "",
        "tech_headers": [["X-A", "1"], ["X-Secret", "****6789"]],
        "secret_headers": ["x-secret"],
        "codecs": ["PCMU"],
        "username": "user",
        "transport": "udp",
        "port": 0,
        "outbound_proxy": "",
        "tls_ca": "",
        "session_expires": 0,
        "number_format": "e164",
        "failover_codes": [],
    }
    assert "s3cret" not in repr(config)


@given(st.text(max_size=64))
def test_no_text_breaks_out_of_the_user_part(text: str) -> None:
    escaped = escape_user(text)
    assert escaped.isascii()
    assert escaped.isprintable()
    assert not set(escaped) & set('@<>" :[]\\^`{|}')


@given(prefix=st.text(max_size=20), postfix=st.text(max_size=20))
def test_no_configuration_makes_a_second_at_sign(prefix: str, postfix: str) -> None:
    try:
        uri = dialled(tech_prefix=prefix, tech_postfix=postfix).request_uri
    except Undialable:
        return
    assert uri.count("@") == 1
    assert not set(uri) & set("\r\n <>")


@pytest.mark.parametrize(
    ("config", "uri", "hop"),
    [
        ({}, "carrier.example", ("carrier.example", None)),
        ({"port": 5080}, "carrier.example:5080", ("carrier.example", 5080)),
        ({"hostname": "carrier.example:5070"}, "carrier.example:5070", ("carrier.example", 5070)),
        (
            {"hostname": "carrier.example:5070", "port": 5070},
            "carrier.example:5070",
            ("carrier.example", 5070),
        ),
        ({"hostname": "[2001:db8::1]", "port": 1}, "[2001:db8::1]:1", ("2001:db8::1", 1)),
        (
            {"transport": Transport.TCP, "port": 5080},
            "carrier.example:5080;transport=tcp",
            ("carrier.example", 5080),
        ),
        # `transport=tls` is deprecated, and the DNS is asked whatever a URI says.
        ({"transport": Transport.TLS}, "carrier.example", ("carrier.example", None)),
        ({"transport": Transport.AUTO}, "carrier.example", ("carrier.example", None)),
        # How another host is reached is no business of ours.
        (
            {"transport": Transport.TCP, "tech_postfix": "@provider.com"},
            "provider.com",
            ("carrier.example", None),
        ),
    ],
)
def test_a_transport_and_a_port_are_named_where_the_uris_host_is_the_next_hop(
    config: dict[str, Any], uri: str, hop: tuple[str, int | None]
) -> None:
    got = dialled(**{"hostname": "carrier.example", **config})
    assert got.request_uri == f"sip:+15550100002@{uri}"
    assert (got.next_hop.host, got.next_hop.port) == hop
    assert got.next_hop.transport is config.get("transport", Transport.UDP)
    assert got.route == ""


@pytest.mark.parametrize(
    ("proxy", "transport", "hop", "route"),
    [
        ("proxy.example", Transport.UDP, ("proxy.example", None), "sip:proxy.example;lr"),
        (
            "proxy.example:5070",
            Transport.TCP,
            ("proxy.example", 5070),
            "sip:proxy.example:5070;transport=tcp;lr",
        ),
        ("[2001:db8::2]", Transport.TLS, ("2001:db8::2", None), "sip:[2001:db8::2];lr"),
    ],
)
def test_an_outbound_proxy_is_the_next_hop_and_a_loose_route(
    proxy: str, transport: Transport, hop: tuple[str, int | None], route: str
) -> None:
    got = dialled(outbound_proxy=proxy, transport=transport, port=5080, tls_ca="PEM")
    assert got.next_hop == NextHop(*hop, transport, "PEM")
    assert got.route == route
    assert got.request_uri == "sip:+15550100002@sip.carrier.example:5080"


def test_a_sip_address_goes_by_its_carriers_proxy_and_transport_as_it_is_written() -> None:
    call = replace(CALL, destination=Address(AddressType.SIP, "bob@office.example"))
    got = dialled(
        call, outbound_proxy="proxy.example:5070", transport=Transport.TLS, tls_ca="PEM",
        tech_prefix="9", tech_postfix="@other.example",
    )  # fmt: skip
    assert got.next_hop == NextHop("proxy.example", 5070, Transport.TLS, "PEM")
    assert got.route == "sip:proxy.example:5070;lr"
    assert got.request_uri == "sip:bob@office.example"


def test_a_sip_address_without_a_port_and_a_carrier_leaves_it_to_the_dns() -> None:
    call = replace(CALL, destination=Address(AddressType.SIP, "bob@office.example"))
    got = dial_target(call, direct_config(call.destination))
    assert got.next_hop == NextHop("office.example", None, Transport.UDP)
    assert got.route == ""


@pytest.mark.parametrize("proxy", ["a b", "proxy.example;lr", "p\r\nVia: x", "proxy.example:0"])
def test_an_outbound_proxy_that_is_no_host_is_not_dialled(proxy: str) -> None:
    with pytest.raises(Undialable):
        dialled(outbound_proxy=proxy)


@pytest.mark.parametrize(
    ("written", "number", "caller"),
    [
        (NumberFormat.E164, "+15550100002", "+15550100001"),
        (NumberFormat.DIGITS, "15550100002", "15550100001"),
    ],
)
def test_numbers_are_written_in_the_carriers_form(
    written: NumberFormat, number: str, caller: str
) -> None:
    spaced = replace(CALL, source=tel("+1 (555) 010-0001"))
    got = dialled(spaced, number_format=written, tech_prefix="9#", tech_postfix="7")
    assert got.request_uri == f"sip:9#{number}7@sip.carrier.example"
    assert got.from_uri == f"sip:{caller}@{{local}}"


@pytest.mark.parametrize("written", NumberFormat)
@pytest.mark.parametrize("text", ["112", "*31#", "1234567", "anonymous"])
def test_what_is_no_number_is_left_as_it_is(written: NumberFormat, text: str) -> None:
    assert written.of(text) == text


@pytest.mark.parametrize("written", NumberFormat)
def test_a_hidden_caller_is_asserted_with_a_plus_whatever_the_carriers_form(
    written: NumberFormat,
) -> None:
    # A tel URI without it would be a local number (RFC 3966 section 5.1.5).
    hidden = replace(CALL, anonymous=Anonymous.YES)
    asserted = dict(dialled(hidden, number_format=written).headers)["P-Asserted-Identity"]
    assert asserted == "<tel:+15550100001>"


def test_session_timer_and_rtp_capture_are_asked_for() -> None:
    assert (dialled().session_expires_s, dialled().capture_rtp) == (0, False)
    traced = replace(CALL, metadata={"rtp_debug": True})
    got = dialled(traced, session_expires_s=1800)
    assert (got.session_expires_s, got.capture_rtp) == (1800, True)


def test_a_snapshot_says_where_the_attempt_went() -> None:
    config = replace(
        PLAIN, transport=Transport.TLS, port=5071, outbound_proxy="proxy.example:5072", tls_ca="PEM"
    )
    assert DialConfig.way_of(config.snapshot()) == (config.next_hop, config.route)
    # What versions before this one kept.
    assert DialConfig.way_of({"hostname": "h.example:1"}) == (NextHop("h.example", 1), "")
    for unreadable in ({}, {"hostname": "a b"}, {"hostname": "h", "transport": "pigeon"}):
        assert DialConfig.way_of(unreadable) == (None, "")
