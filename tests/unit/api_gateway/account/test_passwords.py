"""Passwords: only the right one fits, and nothing is stored that shows it."""

from __future__ import annotations

from api_gateway.account.passwords import Passwords, mint_password


async def test_only_the_right_password_fits() -> None:
    passwords, password = Passwords(), mint_password()
    stored = await passwords.hash(password)

    assert password not in stored
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, password)
    assert not await passwords.verify(stored, password + " ")
    assert not await passwords.verify(stored, "")


async def test_nobody_has_no_password() -> None:
    passwords = Passwords()

    assert not await passwords.verify(None, mint_password())
    assert not await passwords.verify("not a hash", mint_password())
