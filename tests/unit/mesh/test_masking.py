"""How secrets are shown, and which names say that there is one."""

from __future__ import annotations

import pytest

from mesh.masking import mask_secret, names_a_secret


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("", ""),
        ("a", "****"),
        ("1234567", "****"),
        ("12345678", "****5678"),
        ("correct horse", "****orse"),
    ],
)
def test_a_mask_shows_four_characters_of_a_long_secret_and_none_of_a_short_one(
    secret: str, shown: str
) -> None:
    assert mask_secret(secret) == shown
    # So that what is masked already can be masked again.
    assert mask_secret(shown) == shown


@pytest.mark.parametrize(
    "name", ["X-Authorization", "X-AUTH-TOKEN", "apikey", "Client-Secret", "x-PassWord", "Monkey"]
)
def test_a_telling_name_says_that_there_is_a_secret(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize("name", ["X-Account", "X-Auth", "Via", ""])
def test_other_names_do_not(name: str) -> None:
    assert not names_a_secret(name)
