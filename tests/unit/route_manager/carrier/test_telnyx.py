"""What is read out of Telnyx's words, and what is made of ours."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route_manager.carrier.http import Answer
from route_manager.carrier.telnyx import COUNTRIES, TelnyxCarrier, refused_countries, user_name

ASKED = ("AD", "CU", "ID", "KP", "US")


def a_422(detail: str, pointer: str = "/", title: str = "Bad Request") -> Answer:
    error = {"code": "10015", "title": title, "detail": detail, "source": {"pointer": pointer}}
    return Answer(422, {"errors": [error]})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Telnyx Production", "voipbinrmTelnyxProduction"),
        ("ünïcode – 한국 7", "voipbinrmncode7"),
        ("!!!", "voipbinrm"),
        ("a" * 99, "voipbinrm" + "a" * 23),
    ],
)
def test_a_user_name_is_the_prefix_and_the_names_letters_and_digits(
    name: str, expected: str
) -> None:
    assert user_name(name) == expected


@given(st.text())
def test_every_user_name_is_one_that_telnyx_takes(name: str) -> None:
    assert re.fullmatch("voipbinrm[A-Za-z0-9]{0,23}", user_name(name))


def test_the_countries_are_all_that_have_numbers() -> None:
    assert len(COUNTRIES) > 240
    assert {"US", "KR", "XK"} <= set(COUNTRIES)
    assert all(len(one) == 2 and set(one) <= set(string.ascii_uppercase) for one in COUNTRIES)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (a_422("Unsupported countries: CU, KP"), {"CU", "KP"}),
        (a_422("CU and KP are not allowed.", "/whitelisted_destinations"), {"CU", "KP"}),
        (a_422('["CU","KP"] are invalid', title="Invalid whitelisted_destinations"), {"CU", "KP"}),
        (a_422("is not supported", "/whitelisted_destinations/1"), {"CU"}),
        (a_422("is not supported", "/whitelisted_destinations/9"), set()),
        (a_422("Unsupported destinations: ZZ"), set()),
        (a_422("Invalid ID", "/billing_group_id"), set()),
        (Answer(400, a_422("Unsupported countries: CU").body), set()),
        (Answer(422, None), set()),
        (Answer(422, []), set()),
        (Answer(422, {"errors": "countries CU"}), set()),
        (Answer(422, {"errors": [7, {"source": 7, "detail": 7}]}), set()),
    ],
)
def test_refused_countries_are_those_that_a_422_names(answer: Answer, expected: set[str]) -> None:
    assert refused_countries(answer, ASKED) == expected


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["errors", "source", "pointer", "detail", "title", "code"]), inner
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_no_422_whatever_its_body_breaks_the_reading(body: Any) -> None:
    assert refused_countries(Answer(422, body), ASKED) <= set(ASKED)


def test_what_exists_at_telnyx_is_read_back_from_the_metadata() -> None:
    metadata = {
        "telnyx_profile_id": "1",
        "telnyx_connection_id": "2",
        "telnyx_fqdn_id": "3",
        "telnyx_fqdn": "sip.example.com",
    }
    assert list(TelnyxCarrier.made_of(metadata).items()) == [
        ("outbound_voice_profile", "1"),
        ("fqdn_connection", "2"),
        ("fqdn", "3"),
    ]
    assert TelnyxCarrier.made_of({"other": "1"}) == {}
