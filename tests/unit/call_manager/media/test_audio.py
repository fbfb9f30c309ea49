"""G.711, tones, ports and the shared clock."""

from __future__ import annotations

import asyncio
import itertools
import math
import time

import pytest

from call_manager.media.g711 import (
    alaw_octet,
    alaw_sample,
    encode,
    encode_pcm,
    silence,
    table,
    transcoding,
    ulaw_octet,
    ulaw_sample,
)
from call_manager.media.ports import RtpPorts
from call_manager.media.ticker import Ticker
from call_manager.media.tones import key_frames, key_hz, payloads, tone
from tests.support import spectrum


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_comes_back_from_its_own_value(octet: int) -> None:
    code = bytes([octet])
    assert alaw_octet(spectrum.of_alaw(code)[0]) == octet
    # 0x7F is minus zero, which no sample is.
    assert ulaw_octet(spectrum.of_ulaw(code)[0]) == (0xFF if octet == 0x7F else octet)
    assert (ulaw_sample(octet), alaw_sample(octet)) == (
        spectrum.of_ulaw(code)[0],
        spectrum.of_alaw(code)[0],
    )


@pytest.mark.parametrize(
    ("sample", "ulaw", "alaw"),
    [(0, 0xFF, 0xD5), (32767, 0x80, 0xAA), (-32768, 0x00, 0x2A), (-1, 0x7F, 0x55)],
)
def test_known_values(sample: int, ulaw: int, alaw: int) -> None:
    assert (ulaw_octet(sample), alaw_octet(sample)) == (ulaw, alaw)
    assert encode([sample], "pcmu") == bytes([ulaw])
    assert encode([sample], "PCMA") == bytes([alaw])


@pytest.mark.parametrize(
    ("encoder", "decoder"), [(ulaw_octet, ulaw_sample), (alaw_octet, alaw_sample)]
)
def test_no_sample_is_far_from_what_is_heard(encoder: object, decoder: object) -> None:
    for sample in range(-32000, 32001, 37):
        heard = decoder(encoder(sample))  # type: ignore[operator]
        assert abs(heard - sample) <= max(16, abs(sample) / 16)


@pytest.mark.parametrize(("source", "target"), [("PCMU", "PCMA"), ("PCMA", "PCMU")])
def test_one_law_is_made_of_the_other_without_much_loss(source: str, target: str) -> None:
    linear = {"PCMU": ulaw_sample, "PCMA": alaw_sample}
    for octet in range(256):
        made = transcoding(source, target)[octet]
        before = linear[source](octet)
        assert abs(linear[target](made) - before) <= max(16, abs(before) / 16)
    assert silence(source).translate(transcoding(source, target)) == silence(target)
    assert transcoding(source, source) == bytes(range(256))


def test_linear_samples_are_encoded_like_numbers() -> None:
    samples = [0, 1, -1, 32767, -32768, 1000, -1000]
    sound = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    for codec in ("PCMU", "PCMA"):
        assert encode_pcm(memoryview(sound), codec) == encode(samples, codec)


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_a_key_has_its_two_tones_and_no_other(digit: str) -> None:
    """ITU-T Q.23."""
    sound = spectrum.of_ulaw(b"".join(key_frames("PCMU", digit)))
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    place = "123A456B789C*0#D".index(digit)
    wanted = {rows[place // 4], columns[place % 4]}
    assert {hz for hz in (*rows, *columns) if spectrum.level(sound, hz) > 4000} == wanted
    assert set(key_hz(digit)) == wanted
    assert len(sound) == 8000


@pytest.mark.parametrize("digit", ["", "E", "12"])
def test_no_key_has_no_tones(digit: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        key_hz(digit)


def test_another_codec_has_no_table() -> None:
    with pytest.raises(ValueError, match="G729"):
        table("G729")


def test_a_tone_has_its_pitch_and_length() -> None:
    frames = list(tone(1000.0, 0.5))
    assert [len(frame) for frame in frames] == [160] * 25
    samples = [sample for frame in frames for sample in frame]
    crossings = sum(a < 0 <= b for a, b in itertools.pairwise(samples))
    assert crossings == pytest.approx(500, abs=2)
    assert max(samples) == pytest.approx(8000, abs=2)


def test_a_tone_that_ends_within_a_frame_is_filled_up() -> None:
    *_, last = tone(440.0, 0.025)
    assert len(last) == 160
    assert last[40:] == [0] * 120
    assert any(last[:40])


@pytest.mark.parametrize(
    ("frequency_hz", "duration_s"), [(0, 1), (4000, 1), (math.nan, 1), (440, 0), (440, 31)]
)
def test_a_tone_has_limits(frequency_hz: float, duration_s: float) -> None:
    with pytest.raises(ValueError, match="between"):
        tone(frequency_hz, duration_s)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
@pytest.mark.parametrize(
    ("frequency_hz", "duration_s"), [(1000, 0.5), (1000.0, 2.345), (437, 1.5), (440.5, 1.2)]
)
def test_an_encoded_tone_is_the_tone_encoded(
    codec: str, frequency_hz: float, duration_s: float
) -> None:
    wanted = [encode(frame, codec) for frame in tone(frequency_hz, duration_s)]
    made = list(payloads(codec, frequency_hz, duration_s))
    assert len(made) == len(wanted)
    # After a second, rounding may tell the same moment of a tone apart by one step.
    different = sum(a != b for a, b in zip(b"".join(made), b"".join(wanted), strict=True))
    assert different <= len(made) * 160 * 0.01
    assert {len(payload) for payload in made} == {160}
    with pytest.raises(ValueError, match="Hz"):
        payloads(codec, 9000, 1)


def test_ports_are_even_and_run_out_honestly() -> None:
    ports = RtpPorts("127.0.0.1", 24_001, 24_005)
    one, two = ports.bind(), ports.bind()
    assert {one.getsockname()[1], two.getsockname()[1]} == {24_002, 24_004}
    with pytest.raises(OSError, match="every RTP port is taken"):
        ports.bind()
    one.close()
    ports.bind().close()
    two.close()


@pytest.mark.parametrize(("first", "last"), [(5, 5), (10, 8), (0, 0), (65_536, 65_540)])
def test_a_range_without_a_usable_port_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no usable even port"):
        RtpPorts("127.0.0.1", first, last)


async def test_the_clock_ticks_for_all_and_a_broken_member_only_loses_itself() -> None:
    ticker, ticks = Ticker(), 0

    def good() -> None:
        nonlocal ticks
        ticks += 1

    def broken() -> None:
        raise RuntimeError("out of tune")

    ticker.add(broken)
    ticker.add(good)
    await asyncio.sleep(0.21)
    assert 8 <= ticks <= 11
    ticker.discard(good)
    before = ticks
    await asyncio.sleep(0.05)
    assert ticks == before
    ticker.add(good)
    await asyncio.sleep(0.05)
    assert ticks > before
    ticker.discard(good)


async def test_a_late_clock_does_not_catch_up_with_a_burst(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticker, times = Ticker(), []
    ticker.add(lambda: times.append(asyncio.get_running_loop().time()))
    await asyncio.sleep(0.03)
    time.sleep(0.5)  # noqa: ASYNC251 - the machine stalls
    await asyncio.sleep(0.1)
    assert ticker.dropped > 10
    assert caplog.text.count("the machine cannot keep up") == 1
    assert len(times) < 20
