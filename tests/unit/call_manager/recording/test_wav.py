"""Stored audio as a WAV file, and what may end a recording."""

from __future__ import annotations

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.media.g711 import ulaw_sample
from call_manager.recording import wav
from call_manager.recording.domain import KEYS, ending_keys


def read(content: bytes) -> tuple[list[int], list[int]]:
    """Read both channels, and check what the header says."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        samples = struct.unpack(f"<{file.getnframes() * 2}h", file.readframes(file.getnframes()))
    return list(samples[::2]), list(samples[1::2])


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=400))
def test_what_was_heard_is_left_and_what_was_said_is_right(octets: list[tuple[int, int]]) -> None:
    heard, said = bytes(one for one, _ in octets), bytes(one for _, one in octets)
    content = wav.header(len(heard + said)) + wav.frames(heard + said)
    assert len(content) == wav.size(len(heard + said))
    left, right = read(content)
    assert left == [ulaw_sample(octet) for octet in heard]
    assert right == [ulaw_sample(octet) for octet in said]


@pytest.mark.parametrize(
    ("stated", "keys"), [("", ""), ("none", ""), ("#", "#"), ("0", "0"), ("any", "0123456789*#")]
)
def test_the_keys_that_end_a_recording(stated: str, keys: str) -> None:
    assert ending_keys(stated) == frozenset(keys)
    assert ending_keys(stated) <= KEYS


@pytest.mark.parametrize("stated", ["A", "12", "ANY", " ", "x"])
def test_what_is_no_key_is_refused(stated: str) -> None:
    with pytest.raises(ValueError, match="end_of_key"):
        ending_keys(stated)
