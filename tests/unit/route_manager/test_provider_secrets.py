"""Which settings of a provider are secret, and what a change may do with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mesh.clock import new_id
from route_manager.errors import InvalidSecretHeaders
from route_manager.provider.domain import (
    Provider,
    ProviderSettings,
    changed,
    checked,
    secret_names,
    shown_headers,
)
from route_manager.providercall.domain import snapshot_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
HEADERS = {"X-Account": "0123456789", "X-Token": "abcdefghij", "X-Shown": "plain"}
STORED = ProviderSettings("a.example", tech_headers=HEADERS, secret_headers=("x-ACCOUNT",))
MASKED = {"X-Account": "****6789", "X-Token": "****ghij", "X-Shown": "plain"}


def change(**changes: Any) -> ProviderSettings:
    return changed(Provider(new_id(), STORED, NOW), changes, NOW).settings


def test_declared_and_telling_names_are_secret_in_any_case_and_others_are_shown() -> None:
    assert set(secret_names(STORED)) == {"X-Account", "X-Token"}
    assert shown_headers(STORED) == MASKED


def test_a_snapshot_for_the_record_holds_masks() -> None:
    assert snapshot_of(Provider(new_id(), STORED, NOW)).tech_headers == MASKED


def test_writing_back_what_was_read_changes_nothing() -> None:
    assert change(tech_headers=MASKED, secret_headers=("x-ACCOUNT",)) == STORED
    assert change(tech_headers=MASKED) == STORED


def test_a_mask_keeps_a_secret_whose_name_changes_its_case() -> None:
    assert change(tech_headers={"x-account": "****6789"}).tech_headers == {
        "x-account": "0123456789"
    }


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"X-Token": "****1111"}, {"X-Token": "****1111"}),
        ({"X-Token": "new"}, {"X-Token": "new"}),
        ({"X-Other": "****ghij"}, {"X-Other": "****ghij"}),
        ({"X-Shown": "****lain"}, {"X-Shown": "****lain"}),
        ({}, {}),
    ],
)
def test_only_a_secrets_own_mask_keeps_it(sent: dict[str, str], stored: dict[str, str]) -> None:
    assert change(tech_headers=sent).tech_headers == stored


@pytest.mark.parametrize(
    "changes",
    [
        {"secret_headers": ()},
        {"secret_headers": ("X-Token",)},
        {"secret_headers": (), "tech_headers": MASKED},
    ],
)
def test_a_stored_secret_cannot_be_made_to_show(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSecretHeaders) as caught:
        change(**changes)
    assert caught.value.metadata == {"field": "secret_headers", "header": "X-Account"}
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("value", ["0123456789", "another"])
def test_a_header_stops_being_secret_together_with_a_value_that_is_sent_anew(value: str) -> None:
    settings = change(secret_headers=(), tech_headers={"X-Account": value})
    assert shown_headers(settings) == {"X-Account": value}


def test_a_header_that_goes_needs_no_declaration() -> None:
    assert change(secret_headers=(), tech_headers={"X-Shown": "plain"}).secret_headers == ()


@pytest.mark.parametrize(
    "names",
    [
        ("X-A", "x-a"),
        ("",),
        ("a b",),
        ("X-A\r\nVia",),
        ("a" * 65,),
        tuple(f"X-{number}" for number in range(33)),
    ],
)
def test_a_declaration_is_a_list_of_header_names_each_once(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSecretHeaders) as caught:
        checked(ProviderSettings("a.example", secret_headers=names), lab=False)
    assert "\r" not in str(caught.value)


def test_python_does_not_print_the_headers() -> None:
    assert "0123456789" not in repr(Provider(new_id(), STORED, NOW))
