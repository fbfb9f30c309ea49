"""Channels to place calls with."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from call_manager.channel import Channel
from call_manager.sip.channel import SipChannel
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import QUICK_T1_S, settings
from tests.support.tshark import read_back, stored


@pytest.fixture(autouse=True)
def nothing_fails_unseen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What escapes from a callback only lands in the event loop's log, where nobody looks."""
    yield
    unseen = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.name == "asyncio" and record.levelno >= logging.ERROR
    ]
    assert not unseen, unseen


@pytest.fixture
async def channel() -> AsyncIterator[Channel]:
    """A channel with the RFC's own timers."""
    channel = SipChannel(settings())
    await channel.start()
    yield channel
    await channel.stop(grace_s=0.2)


@pytest.fixture
async def quick() -> AsyncIterator[SipChannel]:
    """A channel whose timers are 25 times shorter, for peers that are scripted."""
    channel = SipChannel(settings(QUICK_T1_S))
    await channel.start()
    yield channel
    await channel.stop(grace_s=0.2)


_JOURNALS: Final[list[MemoryJournal]] = []


@pytest.fixture
def journal() -> MemoryJournal:
    journal = MemoryJournal()
    _JOURNALS.append(journal)
    return journal


@pytest.fixture(scope="module", autouse=True)
def read_by_tshark() -> Iterator[None]:
    """Have tshark read every trace that the module's tests left, and count its messages.

    A test that sends what is no SIP makes a journal of its own.
    """
    _JOURNALS.clear()
    yield
    messages = [message for journal in _JOURNALS for message in journal.messages]
    if messages:
        assert read_back(messages) == stored(messages)
