"""WAV files of every kind that is read, and every way to lie in one."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.media import g711
from call_manager.sound import wav
from tests.support.wav_files import chunk, extensible, fmt, pcm, riff, sine

TONE = sine(440)
Written = Callable[[list[float]], bytes]


def words(scale: float, code: str) -> Written:
    return lambda samples: struct.pack(
        f"<{len(samples)}{code}", *(round(one * (scale - 1)) for one in samples)
    )


def three_bytes(samples: list[float]) -> bytes:
    made = (round(one * (2**23 - 1)) for one in samples)
    return b"".join(one.to_bytes(3, "little", signed=True) for one in made)


def octets(samples: list[float]) -> bytes:
    return bytes(round(one * 127) + 128 for one in samples)


def g711_octets(codec: str) -> Written:
    return lambda samples: g711.encode([round(one * 32767) for one in samples], codec)


KINDS: list[tuple[str, int, int, Written, float]] = [
    ("8-bit PCM", 1, 8, octets, 1 / 100),
    ("16-bit PCM", 1, 16, words(2**15, "h"), 1e-4),
    ("24-bit PCM", 1, 24, three_bytes, 1e-6),
    ("32-bit PCM", 1, 32, words(2**31, "i"), 1e-6),
    ("floats", 3, 32, lambda samples: struct.pack(f"<{len(samples)}f", *samples), 1e-6),
    ("A-law", 6, 8, g711_octets("PCMA"), 1 / 50),
    ("µ-law", 7, 8, g711_octets("PCMU"), 1 / 50),
]


@pytest.mark.parametrize(
    ("tag", "bits", "write", "error"), [kind[1:] for kind in KINDS], ids=[k[0] for k in KINDS]
)
def test_every_encoding_gives_the_sound_that_was_written(
    tag: int, bits: int, write: Written, error: float
) -> None:
    for head in (fmt(tag=tag, bits=bits), extensible(tag, bits)):
        samples, rate = wav.samples(riff(head, chunk(b"data", write(TONE))))
        assert rate == 8000
        assert np.abs(samples - np.array(TONE)).max() < error


def test_g711_octets_are_read_as_they_are_written() -> None:
    every = bytes(range(256))
    for codec, tag in (("PCMU", 7), ("PCMA", 6)):
        samples, _ = wav.samples(riff(fmt(tag=tag, bits=8), chunk(b"data", every)))
        again = g711.encode([round(float(one) * 2**15) for one in samples], codec)
        # µ-law has two zeros; the negative one is never written.
        assert {a for a, b in zip(every, again, strict=True) if a != b} <= {0x7F}


def test_two_channels_are_mixed_into_one() -> None:
    both = struct.pack("<4h", 16_384, 0, -16_384, -16_384)
    samples, _ = wav.samples(riff(fmt(channels=2), chunk(b"data", both)))
    assert samples.tolist() == [0.25, -0.5]


def test_what_stands_between_the_parts_is_passed_over() -> None:
    file = riff(chunk(b"LIST", b"odd"), fmt(), chunk(b"fact", b"1234"), chunk(b"data", b"\1\2\3\4"))
    assert wav.inspect(file).frames == 2


def test_a_length_that_its_writer_could_not_know_is_what_is_there() -> None:
    for unknown in (0xFFFFFFFF, 0x7FFFF000):
        found = wav.inspect(riff(fmt(), chunk(b"data", b"\0" * 1600, size=unknown)))
        assert (found.frames, found.duration_ms) == (800, 100)


def test_numbers_that_are_none_become_silence_or_the_loudest() -> None:
    odd = struct.pack("<4f", float("nan"), float("inf"), float("-inf"), 7.0)
    samples, _ = wav.samples(riff(fmt(tag=3, bits=32), chunk(b"data", odd)))
    assert samples.tolist() == [0.0, 1.0, -1.0, 1.0]


SOUND = chunk(b"data", b"\0" * 320)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "no WAV file"),
        (b"ID3\4" + b"\0" * 100, "no WAV file"),
        (b"RIFX" + riff(fmt(), SOUND)[4:], "no WAV file"),
        (riff(), "no sound"),
        (riff(fmt()), "no sound"),
        (riff(fmt(), chunk(b"data", b"")), "no sound"),
        (riff(fmt(), chunk(b"data", b"\0")), "no sound"),
        (riff(SOUND, fmt()), "before it says"),
        (riff(chunk(b"fmt ", b"\1\0"), SOUND), "of what kind"),
        (riff(fmt(), chunk(b"data", b"\0" * 320, size=9999)), "cut off"),
        (riff(chunk(b"fmt ", b"", size=0x7FFFFFFF)), "cut off"),
        (riff(fmt(tag=2, bits=4, block=1), SOUND), "Format 2 with 4 bits"),
        (riff(fmt(tag=0x55, bits=0), SOUND), "Format 85"),
        (riff(fmt(tag=3, bits=64), SOUND), "Format 3 with 64 bits"),
        (riff(fmt(tag=0xFFFE), SOUND), "Format 65534"),
        (riff(fmt(channels=0), SOUND), "0 channels"),
        (riff(fmt(channels=6), SOUND), "6 channels"),
        (riff(fmt(channels=65535, block=2), SOUND), "65535 channels"),
        (riff(fmt(rate=0), SOUND), "0 samples a second"),
        (riff(fmt(rate=7999), SOUND), "7999 samples"),
        (riff(fmt(rate=48_001), SOUND), "48001 samples"),
        (riff(fmt(block=1), SOUND), "takes 1 bytes"),
        (riff(*(chunk(b"junk", b"") for _ in range(65)), fmt(), SOUND), "more than 64 parts"),
        (riff(fmt(tag=7, bits=8), chunk(b"data", b"\0" * 4_800_001)), "more than 600 s"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(file: bytes, why: str) -> None:
    with pytest.raises(wav.WavInvalid, match=why) as refused:
        wav.inspect(file)
    assert str(refused.value).endswith(".")


@given(file=st.binary(max_size=200), cut=st.integers(0, 400), noise=st.data())
def test_no_file_breaks_the_reader(file: bytes, cut: int, noise: st.DataObject) -> None:
    good = bytearray(pcm(TONE[:100]))
    for _ in range(noise.draw(st.integers(1, 6))):
        good[noise.draw(st.integers(0, 43))] = noise.draw(st.integers(0, 255))
    for hostile in (file, b"RIFF\0\0\0\0WAVE" + file, bytes(good[:cut]), bytes(good)):
        try:
            samples, rate = wav.samples(hostile)
        except wav.WavInvalid:
            continue
        assert 0 < len(samples) <= len(hostile)
        assert wav.RATE_MIN_HZ <= rate <= wav.RATE_MAX_HZ
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1


def test_a_header_that_lies_makes_nothing_large() -> None:
    lie = riff(fmt(tag=3, bits=32, channels=2), chunk(b"data", b"\0" * 8, size=0x7FFFEFFF))
    tracemalloc.start()
    try:
        with pytest.raises(wav.WavInvalid):
            wav.samples(lie)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
