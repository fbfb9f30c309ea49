"""Resampling keeps what a telephone carries, and lets nothing fold back."""

from __future__ import annotations

import time

import numpy as np
import pytest

from call_manager.sound.resampling import resampled, telephone
from call_manager.sound.wav import Samples
from tests.support.wav_files import sine

RATES = [8001, 11_025, 12_347, 16_000, 22_050, 24_000, 32_000, 44_100, 47_999, 48_000]


def tone(hz: float, rate: int) -> Samples:
    return np.array(sine(hz, rate=rate), np.float32)


def level_db(sound: Samples) -> float:
    """Return the level against that of `tone`, the ends left out."""
    rms = float(np.sqrt(np.mean(np.square(sound[200:-200], dtype=np.float64))))
    return float(20 * np.log10(rms / (0.5 / np.sqrt(2)) + 1e-9))


@pytest.mark.parametrize("rate", RATES)
def test_what_a_telephone_carries_stays_as_loud_and_as_high(rate: int) -> None:
    for hz in (300, 1000, 3400):
        made = resampled(tone(hz, rate), rate)
        assert abs(len(made) - 4000) <= 1
        assert abs(level_db(made)) < 0.5
        spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
        assert abs(int(spectrum.argmax()) * 8000 / len(made) - hz) < 2


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate >= 11_025])
def test_what_would_fold_back_is_gone(rate: int) -> None:
    for hz in (4300, 5000, 7000, 10_000):
        if hz < rate / 2:
            assert level_db(resampled(tone(hz, rate), rate)) < -55


def test_the_telephones_own_rate_is_left_alone() -> None:
    sound = tone(440, 8000)
    assert resampled(sound, 8000) is sound


def test_samples_come_as_sixteen_bits_and_never_wrap_around() -> None:
    loud = np.array([0.0, 0.5, 1.0, 1.5, -1.0, -1.5], np.float32)
    assert np.frombuffer(telephone(loud, 8000), "<i2").tolist() == [
        *(0, 16_384, 32_767, 32_767, -32_767, -32_767)
    ]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_shortest_sounds_are_resampled_too(count: int) -> None:
    assert len(resampled(np.ones(count, np.float32), 48_000)) == -(-count // 6)


def test_no_other_thread_works_for_it() -> None:
    # Those of BLAS took several times the processor, and live calls had so much less.
    sound = np.ones(600 * 11_025, np.float32)
    all_before, own_before = time.process_time(), time.thread_time()
    resampled(sound, 11_025)
    own = time.thread_time() - own_before
    assert time.process_time() - all_before - own < own / 4
