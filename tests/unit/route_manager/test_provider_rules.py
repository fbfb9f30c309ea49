"""Which settings of a provider are acceptable."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.clock import new_id
from mesh.errors import MeshError
from mesh.hosts import on_the_wire
from mesh.masking import mask_secret
from route_manager.errors import (
    InvalidCodecs,
    InvalidHostname,
    InvalidSipCredentials,
    InvalidTechPostfix,
    InvalidTechPrefix,
)
from route_manager.provider.domain import (
    HealthStatus,
    Provider,
    ProviderSettings,
    changed,
    checked,
)
from route_manager.provider.domain.rules import (
    CODEC_COUNT_MAX,
    check_credentials,
    check_postfix,
    check_prefix,
    normal_codecs,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


@pytest.mark.parametrize("part", ["", "1", "9977#", "+1", "*31#", "a-b_c.d", "9" * 64])
def test_numbers_letters_and_a_few_marks_may_surround_a_number(part: str) -> None:
    check_prefix(part)
    check_postfix(part)


@pytest.mark.parametrize(
    "part",
    ["1;x=y", "a?b", "a&b", "a=b", "a/b", "a:b", "a b", "a,b", "a%23", "<a>", '"', "\r\n", "\0",
     "é", "٣"],
)  # fmt: skip
def test_what_could_start_another_part_of_the_uri_may_not(part: str) -> None:
    with pytest.raises(InvalidTechPrefix):
        check_prefix(part)
    with pytest.raises(InvalidTechPostfix):
        check_postfix(part)


def test_a_prefix_has_no_domain_and_at_most_64_characters() -> None:
    for prefix in ("@provider.com", "9" * 65):
        with pytest.raises(InvalidTechPrefix):
            check_prefix(prefix)


@pytest.mark.parametrize(
    "postfix", ["@provider.com", "#1@provider.com:5080", "@10.0.0.1", "@[::1]:5060"]
)
def test_a_postfix_may_end_in_one_domain(postfix: str) -> None:
    check_postfix(postfix)


@pytest.mark.parametrize(
    "postfix", ["@", "1@", "@a@b", "@a;x", "@a:0", "@a:99999", "@a b", "@sip:a", "@-a"]
)
def test_a_postfix_with_a_bad_domain_is_refused(postfix: str) -> None:
    with pytest.raises(InvalidTechPostfix):
        check_postfix(postfix)


@pytest.mark.parametrize(
    ("given_list", "stored"),
    [
        ("", ""),
        ("PCMU", "PCMU"),
        ("PCMU,PCMA", "PCMU,PCMA"),
        (" PCMU , PCMA ", "PCMU,PCMA"),
        ("telephone-event,G729", "telephone-event,G729"),
        ("c" * 32, "c" * 32),
    ],
)
def test_codecs_are_stored_without_their_spaces(given_list: str, stored: str) -> None:
    assert normal_codecs(given_list) == stored


@pytest.mark.parametrize(
    "codecs",
    [",", "PCMU,", ",PCMU", "PCMU,,PCMA", "PCMU, ,PCMA", " ", "PCMU\r\n", "PCMU(1)", "PC MU",
     "PCMU,pcmu", "G729/8000", "c" * 33, ",".join(f"c{n}" for n in range(80)), "PCMÜ", "a\tb",
     ",".join(f"c{n}" for n in range(CODEC_COUNT_MAX + 1))],
)  # fmt: skip
def test_empty_repeated_and_malformed_codecs_are_refused(codecs: str) -> None:
    with pytest.raises(InvalidCodecs):
        normal_codecs(codecs)


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [
        ("", "", None),
        ("user", "", None),
        ("user", "pass word é", None),
        ("", "password", "sip_password"),
        ("us\ner", "password", "sip_username"),
        ("user", "pass\0word", "sip_password"),
    ],
)
def test_a_password_needs_a_user_name_and_neither_holds_control_characters(
    username: str, password: str, field: str | None
) -> None:
    if field is None:
        check_credentials(username, password)
        return
    with pytest.raises(InvalidSipCredentials) as caught:
        check_credentials(username, password)
    assert caught.value.metadata["field"] == field


def test_only_the_fields_that_change_are_judged() -> None:
    stored = ProviderSettings(hostname="127.0.0.1", codecs="PCMU")
    assert checked(stored, lab=False, fields={"codecs"}) == stored
    with pytest.raises(InvalidHostname):
        checked(stored, lab=False)


@pytest.mark.parametrize(
    ("secret", "mask"),
    [("", ""), ("a", "****"), ("1234567", "****"), ("12345678", "****5678")],
)
def test_a_mask_shows_four_characters_of_a_long_secret_and_none_of_a_short_one(
    secret: str, mask: str
) -> None:
    assert mask_secret(secret) == mask


def a_provider(**settings_of: Any) -> Provider:
    wanted = ProviderSettings(**{"hostname": "a.example", **settings_of})
    return Provider(
        new_id(),
        wanted,
        NOW,
        health_status=HealthStatus.HEALTHY,
        health_checked_at=NOW,
    )


def test_a_new_hostname_resets_the_health_and_the_same_one_does_not() -> None:
    later = NOW + timedelta(seconds=1)
    moved = changed(a_provider(), {"hostname": "b.example"}, later)
    assert (moved.health_status, moved.health_checked_at) == (HealthStatus.UNKNOWN, None)
    same = changed(a_provider(), {"hostname": "a.example", "name": "x"}, later)
    assert (same.health_status, same.health_checked_at) == (HealthStatus.HEALTHY, NOW)
    assert same.tm_update == later


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [("****5678", "12345678"), ("****", "****"), ("", ""), ("****1234", "****1234")],
)
def test_only_a_secrets_own_mask_keeps_it(wanted: str, kept: str) -> None:
    provider = a_provider(sip_username="u", sip_password="12345678")
    assert changed(provider, {"sip_password": wanted}, NOW).settings.sip_password == kept


def test_a_password_is_not_in_what_python_prints() -> None:
    assert "12345678" not in repr(a_provider(sip_username="u", sip_password="12345678"))


hostile = st.text(
    st.one_of(st.sampled_from('0123456789+#*-_.@;:?&=/%<>" \r\n\0[]'), st.characters()),
    max_size=12,
)
REQUEST_URI = re.compile(r"sip:[A-Za-z0-9+#*_.-]+@[A-Za-z0-9.:\[\]-]+")


@settings(max_examples=2000, deadline=None)
@given(hostile, hostile, hostile)
def test_whatever_is_accepted_makes_one_plain_request_uri(
    prefix: str, postfix: str, hostname: str
) -> None:
    try:
        accepted = checked(
            ProviderSettings(
                hostname=hostname or "a.example", tech_prefix=prefix, tech_postfix=postfix
            ),
            lab=True,
        )
    except MeshError:
        return
    part, _, domain = accepted.tech_postfix.partition("@")
    host = on_the_wire(domain or accepted.hostname)
    uri = f"sip:{accepted.tech_prefix}+15550100002{part}@{host}"
    assert REQUEST_URI.fullmatch(uri), uri
