"""Which hosts a provider may have."""

from __future__ import annotations

import ipaddress
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.hosts import host_of, on_the_wire
from route_manager.errors import InvalidHostname
from route_manager.provider.domain.hostname import check_hostname

LONGEST_LABEL = "a" * 63
LONGEST_NAME = ".".join(["a" * 63] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    "hostname",
    [
        "sip.telnyx.com",
        "SIP.Example.COM:5080",
        "carrier",
        "a-b.c-d.example",
        "3com.example",
        "xn--bcher-kva.example",
        f"{LONGEST_LABEL}.example",
        LONGEST_NAME,
        "8.8.8.8",
        "8.8.8.8:1",
        "8.8.8.8:65535",
        "[2606:4700::1111]",
        "[2606:4700::1111]:5061",
        "sip.example.com.",
        "sip.example.com.:5080",
        "höst.example",
        "사례.example:5080",
    ],
)
def test_a_public_host_with_an_optional_port_is_accepted(hostname: str) -> None:
    check_hostname(hostname, lab=False)


@pytest.mark.parametrize(
    "hostname",
    [
        "",
        " ",
        "host name",
        " host",
        "host ",
        "host\r\nVia: x",
        "host\0",
        "sip:host",
        "https://host",
        "user@host",
        "host;transport=tcp",
        "host?Route=x",
        "host/path",
        "host,other",
        "<host>",
        "host:",
        "host:0",
        "host:99999",
        "host:65536",
        "host:05060",
        "host:-1",
        "host:5060:5061",
        "host:sip",
        "host:٥٠٦٠",
        ".host",
        "host..",
        ".",
        "host.:0",
        "a..b",
        "-host",
        "host-",
        "ho_st",
        "hö st.example",
        "höst@example",
        "höst/example",
        "ho\u200dst.example",
        "٣.example",
        "ü" * 64,
        "%68ost",
        f"a{LONGEST_LABEL}",
        f"{LONGEST_NAME}a",
        "[::1",
        "::1",
        "2606:4700::1111",
        "[8.8.8.8]",
        "[fe80::1%eth0]",
        "[2606:4700::1111]x",
        "[2606:4700::1111]:",
        "[2606:4700::1111]:0",
        "[]",
        # What inet_aton reads as an address is no name.
        "127.1",
        "127.0.0.1.",
        "2130706433.",
        "\uff11\uff12\uff17.0.0.1",
        "127。0。0。1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "1.2.3.4.5",
        "300.1.1.1",
        "08.8.8.8",
        "example.0x7f",
        # Nobody answers there, in a lab neither.
        "0.0.0.0",
        "224.0.0.1",
        "[::]",
        "[ff02::1]",
    ],
)
@pytest.mark.parametrize("lab", [True, False])
def test_anything_else_is_refused_everywhere(hostname: str, lab: bool) -> None:
    with pytest.raises(InvalidHostname):
        check_hostname(hostname, lab=lab)


@pytest.mark.parametrize(
    "hostname",
    [
        "localhost",
        "LOCALHOST:5060",
        "carrier.localhost",
        "localhost.",
        "ⓛocalhost",
        "127.0.0.1",
        "127.8.9.10:5070",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "[::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[2001:db8::1]",
        "[2001::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]:5060",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
    ],
)
def test_an_address_that_is_not_public_is_for_the_lab_only(hostname: str) -> None:
    check_hostname(hostname, lab=True)
    with pytest.raises(InvalidHostname, match="VBMESH_LAB"):
        check_hostname(hostname, lab=False)


@given(st.ip_addresses(v=4))
@example(ipaddress.IPv4Address("192.0.0.8"))
def test_no_ipv4_address_that_is_not_global_gets_through(address: ipaddress.IPv4Address) -> None:
    high, low = divmod(int(address), 0x10000)
    disguises = [str(address), f"[::ffff:{address}]", f"[64:ff9b::{high:x}:{low:x}]"]
    # The rest of IETF protocol assignments: to Python a part of it is global.
    assigned = address in ipaddress.IPv4Network("192.0.0.0/24")
    for hostname in disguises:
        if address.is_global and not address.is_multicast and not assigned:
            check_hostname(hostname, lab=False)
            continue
        with pytest.raises(InvalidHostname):
            check_hostname(hostname, lab=False)


@given(st.text(max_size=40))
def test_what_is_accepted_has_no_character_that_means_something_in_a_uri(hostname: str) -> None:
    try:
        check_hostname(hostname, lab=True)
    except InvalidHostname:
        return
    assert set(on_the_wire(hostname)) <= set(string.ascii_letters + string.digits + ".-:[]")


@pytest.mark.parametrize(
    ("hostname", "sent"),
    [
        ("sip.example.com.", "sip.example.com"),
        ("sip.example.com.:5080", "sip.example.com:5080"),
        ("Höst.example", "xn--hst-sna.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("host。example", "host.example"),
        ("SIP.Example.COM:5080", "SIP.Example.COM:5080"),
        ("[2606:4700::1]:5060", "[2606:4700::1]:5060"),
        ("[2606:4700::1]", "[2606:4700::1]"),
        ("8.8.8.8:5080", "8.8.8.8:5080"),
    ],
)
def test_what_is_sent_has_no_final_dot_and_ascii_letters_only(hostname: str, sent: str) -> None:
    check_hostname(hostname, lab=False)
    assert on_the_wire(hostname) == sent


@given(st.text(st.one_of(st.characters(), st.sampled_from("abc.-:0159[]")), max_size=20))
def test_what_is_sent_is_accepted_as_well_and_sent_as_it_is(hostname: str) -> None:
    try:
        check_hostname(hostname, lab=False)
    except InvalidHostname:
        return
    check_hostname(on_the_wire(hostname), lab=False)
    assert on_the_wire(on_the_wire(hostname)) == on_the_wire(hostname)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("example.com", "example.com"),
        ("example.com:5060", "example.com"),
        ("[2606:4700::1]:5060", "2606:4700::1"),
        ("8.8.8.8", "8.8.8.8"),
        ("a:b", None),
    ],
)
def test_the_host_is_taken_out_of_its_port_and_brackets(authority: str, host: str | None) -> None:
    assert host_of(authority) == host
