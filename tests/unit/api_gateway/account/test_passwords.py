"""Passwords: only the right one fits, and nothing is stored that shows it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from api_gateway.account.passwords import (
    HASHES_AT_ONCE_MAX,
    HASHES_WAITING_MAX,
    Passwords,
    mint_password,
)
from mesh.errors import ServiceOverloaded


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


async def test_no_more_wait_than_may_and_those_who_give_up_make_room() -> None:
    passwords, let_go = Passwords(), threading.Event()
    running: list[int] = []

    def work() -> None:
        running.append(1)
        let_go.wait(10)

    waiting = [
        asyncio.create_task(passwords._in_turn(work))
        for _ in range(HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX)
    ]
    try:
        await asyncio.sleep(0.1)
        with pytest.raises(ServiceOverloaded):
            await passwords.verify(None, "swordfish")
        for task in waiting[:5]:
            task.cancel()
        await asyncio.sleep(0.1)
        late = asyncio.create_task(passwords.verify(None, "swordfish"))
        await asyncio.sleep(0.1)
        # Two of the five were at work already; their threads are not given to others.
        assert len(running) == HASHES_AT_ONCE_MAX
        assert not late.done()
    finally:
        let_go.set()
    assert await late is False
    await asyncio.gather(*waiting, return_exceptions=True)
