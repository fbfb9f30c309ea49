"""Two streams talk to each other over real sockets: what one plays, the other hears."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

import pytest

from call_manager.media.duplex import DIGITS_WAITING_MAX
from call_manager.media.g711 import encode
from call_manager.media.ports import RtpPorts
from call_manager.media.rtp import PeerTerms, RtpStream
from call_manager.media.sounds import SOUND_S_MAX
from call_manager.media.ticker import Ticker
from call_manager.media.tones import key_hz
from mesh.clock import new_id
from tests.support import spectrum
from tests.support.media import Recorder

HERE = "127.0.0.1"
EVERY_DIGIT = "0123456789*#ABCD"
BOTH = pytest.mark.parametrize("codec", ["PCMU", "PCMA"])


class Relay:
    """Passes a caller's packets on to a callee, as `mangle` likes, and the callee's back."""

    def __init__(
        self, caller: RtpStream, callee: RtpStream, mangle: Callable[[bytes], list[bytes]]
    ) -> None:
        self.seen: list[bytes] = []
        """What the caller sent."""
        self._caller, self._callee = (HERE, caller.port), (HERE, callee.port)
        self._mangle = mangle
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((HERE, 0))
        self._sock.setblocking(False)
        self.address: tuple[str, int] = self._sock.getsockname()
        asyncio.get_running_loop().add_reader(self._sock, self._pass)

    def inject(self, packet: bytes) -> None:
        """Send the callee something."""
        self._sock.sendto(packet, self._callee)

    def _pass(self) -> None:
        packet, source = self._sock.recvfrom(2048)
        if source == self._callee:
            # The callee answers to where packets come from (RFC 4961).
            self._sock.sendto(packet, self._caller)
            return
        self.seen.append(packet)
        for one in self._mangle(packet):
            self.inject(one)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()


@dataclass
class Pair:
    """A caller and a callee, whose packets to the callee go through a relay."""

    caller: RtpStream
    callee: RtpStream
    relay: Relay
    codec: str

    def describe(self, *, events: int | None = 101, held: bool = False) -> None:
        kind, terms = {"PCMU": 0, "PCMA": 8}[self.codec], PeerTerms(events=events)
        self.caller.start(self.codec, kind, self.relay.address, held=held, terms=terms)
        self.callee.start(self.codec, kind, (HERE, self.caller.port), held=False, terms=terms)

    async def typed(self, count: int) -> str:
        """Wait for digits at the callee."""
        async with asyncio.timeout(20):
            return "".join([await self.callee.audio.digit() for _ in range(count)])


def unchanged(packet: bytes) -> list[bytes]:
    return [packet]


def a_stream(ports: RtpPorts, ticker: Ticker, ending: ExitStack) -> RtpStream:
    rtp, rtcp = ports.bind_pair()
    stream = RtpStream(rtp, ticker, lambda _: True, rtcp=rtcp)
    ending.callback(stream.close)
    return stream


@asynccontextmanager
async def a_pair(
    codec: str = "PCMU", *, mangle: Callable[[bytes], list[bytes]] = unchanged
) -> AsyncIterator[Pair]:
    ticker, ports = Ticker(), RtpPorts(HERE, 26_000, 26_998)
    with ExitStack() as ending:
        caller, callee = (a_stream(ports, ticker, ending) for _ in range(2))
        relay = Relay(caller, callee, mangle)
        ending.callback(relay.close)
        yield Pair(caller, callee, relay, codec)


@BOTH
async def test_a_sound_arrives_as_it_was_played(codec: str) -> None:
    async with a_pair(codec) as pair:
        pair.describe()
        there, here = Recorder(), Recorder()
        pair.callee.audio.listen(there)
        pair.caller.audio.listen(here)
        await pair.caller.audio.play(spectrum.pcm16(spectrum.sine(440.0, 0.5)))
        await there.frames(5)
    sound = there.sound()
    assert len(sound) == pytest.approx(4000, abs=200)
    assert spectrum.purity(sound, 440.0) > 0.98
    assert spectrum.level(sound, 440.0) == pytest.approx(8000, rel=0.05)
    said = spectrum.loud(spectrum.of_ulaw(b"".join(here.said)))
    assert said == sound, "what the one side said is what the other heard"
    assert set(b"".join(here.heard)) == {0xFF}


@BOTH
async def test_an_echo_comes_back(codec: str) -> None:
    async with a_pair(codec) as pair:
        pair.describe()
        here = Recorder()
        pair.caller.audio.listen(here)
        echo = asyncio.create_task(pair.callee.audio.echo())
        await here.frames(2)
        await pair.caller.audio.beep(600.0, 0.4)
        await here.frames(10)
        assert not echo.done()
        echo.cancel()
        await asyncio.gather(echo, return_exceptions=True)
        after = len(here.heard) + 5
        await pair.caller.audio.beep(600.0, 0.1)
        await here.frames(10)
        assert set(b"".join(here.heard[after:])) == {0xFF}, "what is cancelled echoes nothing"
        assert pair.callee._hearing.audience is None, "and costs nothing"
    sound = here.sound()
    assert len(sound) == pytest.approx(3200, abs=200)
    assert spectrum.purity(sound, 600.0) > 0.98


@BOTH
async def test_every_digit_arrives_once(codec: str) -> None:
    async with a_pair(codec) as pair:
        pair.describe(events=97)
        sending = pair.caller.audio.send_digits(EVERY_DIGIT, 40, 0)
        _, typed = await asyncio.gather(sending, pair.typed(16))
        assert typed == EVERY_DIGIT
        assert pair.callee.report(new_id(), HERE).other_payloads == ()
        events = [p for p in pair.relay.seen if p[1] & 0x7F == 97]
    assert len(events) == 16 * 4
    assert sum(p[1] >> 7 for p in events) == 16
    numbers = [struct.unpack_from("!H", p, 2)[0] for p in pair.relay.seen]
    assert [(n - numbers[0]) % 2**16 for n in numbers] == list(range(len(numbers)))


async def test_digits_survive_a_bad_line() -> None:
    """Every fourth packet is lost, others come twice, and neighbours overtake each other."""
    chance, kept = Random(4), list[bytes]()

    def mangle(packet: bytes) -> list[bytes]:
        if chance.random() < 0.25:
            return []
        if chance.random() < 0.3:
            kept.append(packet)
            return []
        late, kept[:] = [*kept], []
        return [packet, *late, packet][: chance.choice((2, 3)) if not late else 3]

    async with a_pair(mangle=mangle) as pair:
        pair.describe()
        await pair.caller.audio.send_digits("1123#", 120, 60)
        assert await pair.typed(5) == "1123#"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pair.callee.audio.digit(), 0.2)


async def test_digits_are_tones_where_the_peer_takes_no_events() -> None:
    async with a_pair() as pair:
        pair.describe(events=None)
        there = Recorder()
        pair.callee.audio.listen(there)
        await pair.caller.audio.send_digits("5", duration_ms=110, interval_ms=0)
        await there.frames(5)
    sound = there.sound()
    assert len(sound) == pytest.approx(880, abs=10)
    assert all(spectrum.level(sound, hz) > 5000 for hz in key_hz("5"))
    assert all(spectrum.level(sound, hz) < 500 for hz in (*key_hz("1"), *key_hz("9")))


async def test_what_is_played_is_heard_in_order() -> None:
    async with a_pair() as pair:
        pair.describe()
        there = Recorder()
        pair.callee.audio.listen(there)
        audio, order = pair.caller.audio, list[int]()

        async def note(number: int, hz: float) -> None:
            await audio.play(spectrum.pcm16(spectrum.sine(hz, 0.2)))
            order.append(number)

        await asyncio.gather(note(1, 300.0), note(2, 900.0), note(3, 1500.0))
        await there.frames(5)
    assert order == [1, 2, 3]
    sound = there.sound()
    third = len(sound) // 3
    parts = [sound[n * third + 200 : (n + 1) * third - 200] for n in range(3)]
    assert [spectrum.dominant(p, (300.0, 900.0, 1500.0)) for p in parts] == [300.0, 900.0, 1500.0]


async def test_who_is_cancelled_is_heard_no_more() -> None:
    """An hour of sound is encoded as it is played: to begin it, and to leave it, costs nothing."""
    async with a_pair() as pair:
        pair.describe()
        there = Recorder()
        pair.caller.audio.listen(there)
        hour = spectrum.pcm16(spectrum.sine(500.0, 1.0)) * SOUND_S_MAX
        playing = asyncio.create_task(pair.caller.audio.play(hour))
        waiting = asyncio.create_task(pair.caller.audio.beep(1000.0, 0.1))
        await there.frames(10)
        before = len(there.said)
        playing.cancel()
        await asyncio.wait_for(waiting, 5)
        with pytest.raises(ValueError, match="3600 s"):
            await pair.caller.audio.play(hour + b"\0\0")
    after = spectrum.loud(spectrum.of_ulaw(b"".join(there.said[before:])))
    assert len(after) == pytest.approx(800, abs=20)
    assert spectrum.purity(after, 1000.0) > 0.95


async def test_a_held_peer_is_played_to_in_vain() -> None:
    async with a_pair() as pair:
        pair.describe(held=True)
        there = Recorder()
        pair.caller.audio.listen(there)
        await pair.caller.audio.play(bytes(320 * 5))
        await pair.caller.audio.send_digits("1", 40, 0)
        assert pair.caller.audio.flows
        assert pair.relay.seen == []
        assert set(b"".join(there.said)) == {0xFF}


async def test_nothing_waits_for_a_stream_without_audio_or_after_its_end() -> None:
    async with a_pair() as pair:
        audio = pair.caller.audio
        assert not audio.flows
        for nothing in (audio.play(bytes(3200)), audio.echo(), audio.send_digits("1", 40, 0)):
            await asyncio.wait_for(nothing, 1)
        assert await audio.digit() == ""
        pair.describe()
        waiting = [
            asyncio.create_task(audio.echo()),
            asyncio.create_task(audio.play(bytes(320_000))),
            asyncio.create_task(audio.send_digits("1", 40, 0)),
        ]
        asked = asyncio.create_task(audio.digit())
        await asyncio.sleep(0.05)
        pair.caller.close()
        await asyncio.wait_for(asyncio.gather(*waiting), 1)
        assert await asyncio.wait_for(asked, 1) == ""
        assert not audio.flows


async def test_the_newest_digits_wait_the_oldest_first() -> None:
    async with a_pair() as pair:
        pair.describe()
        for n in range(DIGITS_WAITING_MAX + 5):
            header = struct.pack("!BBHII", 0x80, 0xE5, n, n * 1600, 9)
            pair.relay.inject(header + bytes([n % 10, 10, 0, 160]))
        wanted = "".join(str(n % 10) for n in range(5, DIGITS_WAITING_MAX + 5))
        await asyncio.sleep(0.1)
        assert await pair.typed(DIGITS_WAITING_MAX) == wanted


async def test_a_listener_that_fails_is_alone_with_it(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Recorder):
        def frame(self, heard: bytes, said: bytes) -> None:
            super().frame(heard, said)
            raise RuntimeError("no room left")

    async with a_pair() as pair:
        pair.describe()
        good, broken = Recorder(), Broken()
        pair.callee.audio.listen(broken)
        pair.callee.audio.listen(good)
        await good.frames(5)
        assert len(broken.heard) == 1
        pair.callee.audio.leave(good)
        pair.callee.audio.leave(good)
        heard = len(good.heard)
        await asyncio.sleep(0.1)
        assert len(good.heard) == heard
        for _ in range(8):
            pair.callee.audio.listen(good)
        with pytest.raises(ValueError, match="More than 8"):
            pair.callee.audio.listen(good)
    assert caplog.text.count("a listener failed") == 1


async def test_what_was_heard_in_ticks_that_were_never_served_is_told() -> None:
    """So what is recorded lasts as long as the call did, and an echo does not fall behind."""
    async with a_pair() as pair:
        pair.callee.start("PCMU", 0, pair.relay.address, held=False)
        there = Recorder()
        pair.callee.audio.listen(there)
        tone = spectrum.sine(440.0, 0.8)
        for n in range(40):
            header = struct.pack("!BBHII", 0x80, 0, n, n * 160, 9)
            pair.relay.inject(header + encode(tone[n * 160 : (n + 1) * 160], "PCMU"))
        await there.frames(5)
        pair.callee._ticker.dropped += 1000
        sound = await there.seconds(0.79)
        assert spectrum.purity(sound, 440.0) > 0.98
        assert pair.callee.packets_sent < 40


@pytest.mark.parametrize("payload_type", [0, 8])
async def test_a_peer_may_send_any_codec_that_was_agreed_on(payload_type: int) -> None:
    async with a_pair() as pair:
        terms = PeerTerms(payloads=frozenset({0, 8}))
        pair.callee.start("PCMU", 0, pair.relay.address, held=False, terms=terms)
        there, codec = Recorder(), {0: "PCMU", 8: "PCMA"}[payload_type]
        pair.callee.audio.listen(there)
        tone = spectrum.sine(440.0, 0.2)
        for n in range(10):
            header = struct.pack("!BBHII", 0x80, payload_type, n, n * 160, 9)
            pair.relay.inject(header + encode(tone[n * 160 : (n + 1) * 160], codec))
        sound = await there.seconds(0.19)
        assert spectrum.level(sound, 440.0) == pytest.approx(8000, rel=0.05)


async def test_a_codec_that_changes_is_followed() -> None:
    async with a_pair("PCMU") as pair:
        pair.describe()
        there = Recorder()
        pair.callee.audio.listen(there)
        sound = spectrum.pcm16(spectrum.sine(440.0, 1.0))
        playing = asyncio.create_task(pair.caller.audio.play(sound))
        await there.frames(15)
        pair.codec = "PCMA"
        pair.describe()
        await playing
        await there.frames(5)
    for half in (there.sound()[:1600], there.sound()[-3200:]):
        assert spectrum.purity(half, 440.0) > 0.95
