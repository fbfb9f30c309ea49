"""Whose address a request comes from; nobody chooses his own."""

from __future__ import annotations

import pytest

from api_gateway.door.limits import site
from api_gateway.door.origin import Origins, networks

OURS = networks("10.0.0.0/8, 2001:db8:1::/48")


def test_without_proxies_of_ours_no_header_is_believed() -> None:
    assert Origins().client("10.0.0.1", {"x-forwarded-for": "198.51.100.7"}) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8:2::7]:80, 10.0.0.2", "2001:db8:2::7"),
        ("10.0.0.1", "2001:db8:2::7", "2001:db8:2::7"),
        ("2001:db8:1::1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7, ::ffff:10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ],
)
def test_the_last_address_that_is_none_of_ours_is_the_clients(
    peer: str, header: str, client: str
) -> None:
    assert Origins(OURS).client(peer, {"x-forwarded-for": header}) == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("for=198.51.100.7;proto=https", "198.51.100.7"),
        ('proto=https;For="[2001:db8:2::7]:4711", for=10.0.0.2', "2001:db8:2::7"),
        ("for=_hidden", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
    ],
)
def test_the_standard_header_is_read_where_it_is_the_chosen_one(header: str, client: str) -> None:
    headers = {"forwarded": header, "x-forwarded-for": "1.2.3.4"}
    assert Origins(OURS, "forwarded").client("10.0.0.1", headers) == client


def test_a_very_long_header_is_read_from_its_end_only() -> None:
    header = ", ".join(["1.2.3.4", *["10.0.0.2"] * 10_000])
    assert Origins(OURS).client("10.0.0.1", {"x-forwarded-for": header}) == "10.0.0.2"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_site_counts_as_one_address(address: str, counted: str) -> None:
    assert site(address) == counted
