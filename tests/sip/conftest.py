"""Channels to place calls with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from call_manager.channel import Channel
from call_manager.sip.channel import SipChannel
from tests.support.journal import MemoryJournal
from tests.support.sip_calls import QUICK_T1_S, settings


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


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()
