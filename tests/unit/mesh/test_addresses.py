"""Which addresses are public: all notations that lead to something of ours are not."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from mesh.addresses import inner_address, is_public


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "2606:4700::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_public_unicast_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("192.0.0.8", "192.0.0.192", "::ffff:192.0.0.192"),
        *("0.0.0.0", "127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.169.254", "192.168.0.1"),
        *("198.18.0.1", "198.51.100.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "100::1", "5f00::1"),
        *("2001:db8::1", "3fff::1", "2001:0:1::1", "2606:4700::1%eth0"),
        # IPv4 in the notations of IPv6.
        *("::127.0.0.1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1"),
        *("64:ff9b:1::127.0.0.1", "2002:7f00:1::", "64:ff9b::169.254.169.254"),
    ],
)
def test_everything_else_is_not(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
        ("::10.0.0.1", "10.0.0.1"),
        ("2002:a00:1::", "10.0.0.1"),
        ("::1", "::1"),
        ("2606:4700::1", "2606:4700::1"),
    ],
)
def test_an_ipv4_address_is_found_in_every_notation_that_hides_it(text: str, inner: str) -> None:
    assert inner_address(ip_address(text)) == ip_address(inner)
