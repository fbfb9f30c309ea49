"""Digits wait for whoever asks for them, and a flood of them harms nobody."""

from __future__ import annotations

import asyncio
import contextvars

from structlog.testing import capture_logs

from call_manager.dialer.actions.keypad import DIGITS_MAX, Keypad
from tests.support.media import FakeMedia


async def test_a_flood_of_digits_fills_neither_the_memory_nor_the_log() -> None:
    media = FakeMedia()
    keypad = Keypad(media, contextvars.copy_context())
    heard: list[str] = []
    with capture_logs() as told:
        keypad.watch(heard.append)
        while len(heard) < 10 * DIGITS_MAX:
            media.press("5" * 50)
            await asyncio.sleep(0)
        await keypad.close()
    assert [(line["event"], line.get("lost")) for line in told] == [
        ("digits are lost: nobody reads them", None),
        ("digits were lost", len(heard) - DIGITS_MAX),
    ]
    assert [await keypad.take() for _ in range(DIGITS_MAX)] == ["5"] * DIGITS_MAX
