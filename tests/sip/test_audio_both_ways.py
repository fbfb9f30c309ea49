"""A channel and the simulated carrier talk: what each plays, the other hears and measures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from call_manager.channel import Answered, Credentials, Leg
from call_manager.simulator.audio import AudioSettings
from call_manager.simulator.endpoint import Simulator, SimulatorSettings
from call_manager.simulator.script import Script
from call_manager.simulator.wires import Listening
from call_manager.sip.channel import SipChannel
from call_manager.sip.timing import Timing
from tests.support import spectrum
from tests.support.journal import MemoryJournal
from tests.support.media import Recorder
from tests.support.sip_calls import QUICK_T1_S, a_target, end_of, until


@dataclass
class Line:
    """The carrier, and calls to its numbers."""

    channel: SipChannel
    journal: MemoryJournal
    carrier: Simulator
    events: list[tuple[str, dict[str, object]]]

    async def call(self, digits: str, *codecs: str) -> Leg:
        """Place a call, and wait for its answer."""
        _, port = self.carrier.address
        uri = f"sip:+1202555{digits}@carrier.example"
        changes = {"codecs": codecs} if codecs else {}
        leg = self.channel.dial(a_target(port, request_uri=uri, **changes), self.journal)
        await until(leg, Answered)
        return leg

    async def end(self, leg: Leg) -> dict[str, object]:
        """Hang up; returns what the carrier says at the call's end."""
        leg.hangup()
        await end_of(leg)
        return next(facts for name, facts in self.events if name == "over")


@pytest.fixture
async def line(quick: SipChannel, journal: MemoryJournal, tmp_path: Path) -> AsyncIterator[Line]:
    events: list[tuple[str, dict[str, object]]] = []
    settings = SimulatorSettings(
        Listening(("127.0.0.1", 0)),
        Credentials("carrier", "secret"),
        AudioSettings("127.0.0.1", (26_000, 27_998), heard_dir=tmp_path),
        calls_max=10,
        answers=Script(),
        timing=Timing(QUICK_T1_S),
    )
    carrier = Simulator(settings, lambda event, /, **facts: events.append((event, facts)))
    await carrier.start()
    yield Line(quick, journal, carrier, events)
    await carrier.stop(grace_s=0.0)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_the_carriers_tone_arrives_and_ours_arrives_there(line: Line, codec: str) -> None:
    leg, here = await line.call("5044", codec), Recorder()  # It plays 440 Hz.
    leg.media.listen(here)
    await leg.media.play(spectrum.pcm16(spectrum.sine(900.0, 0.6, amplitude=6000)))
    heard = await here.seconds(0.5)
    over = await line.end(leg)
    assert spectrum.purity(heard, 440.0) > 0.95
    (there,), _ = spectrum.of_wav(Path(str(over["wav"])))
    sound = spectrum.loud(there)
    assert len(sound) == pytest.approx(4800, abs=200)
    assert spectrum.purity(sound, 900.0) > 0.95
    assert spectrum.level(sound, 900.0) == pytest.approx(6000, rel=0.05)
    assert over["codec"] == codec
    assert over["tones"] == [pytest.approx(900, abs=20)]


async def test_what_the_carrier_echoes_is_what_was_played(line: Line) -> None:
    leg, here = await line.call("5004"), Recorder()
    leg.media.listen(here)
    await leg.media.play(spectrum.pcm16(spectrum.sine(700.0, 0.5)))
    heard = await here.seconds(0.45)
    await line.end(leg)
    assert spectrum.purity(heard, 700.0) > 0.95


async def test_our_echo_brings_the_carriers_tone_back_to_it(line: Line) -> None:
    leg = await line.call("5060")  # It plays 600 Hz.
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(leg.media.echo(), 0.7)
    over = await line.end(leg)
    (there,), _ = spectrum.of_wav(Path(str(over["wav"])))
    sound = spectrum.loud(there)
    assert len(sound) > 2400
    assert spectrum.purity(sound, 600.0) > 0.95


async def test_digits_go_there_and_come_back(line: Line) -> None:
    leg = await line.call("5011")  # It sends back the digits it gets.
    await leg.media.send_digits("19*#AD", duration_ms=60, interval_ms=60)
    async with asyncio.timeout(10):
        returned = "".join([await leg.media.digit() for _ in range(6)])
    over = await line.end(leg)
    assert (returned, over["digits"]) == ("19*#AD", "19*#AD")


async def test_the_carriers_own_digits_are_heard(line: Line) -> None:
    leg = await line.call("5512")
    async with asyncio.timeout(10):
        assert "".join([await leg.media.digit() for _ in range(3)]) == "512"
    await line.end(leg)
