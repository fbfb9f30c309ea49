"""What is kept of a caller's voice."""

from pathlib import Path

import pytest

from call_manager.media.g711 import encode
from call_manager.simulator.tape import TAPE_S_MAX, Tape
from tests.support import spectrum

LOUD = encode([1000] * 160, "PCMU")


def kept(tape: Tape, directory: Path) -> list[int]:
    (heard,), rate = spectrum.of_wav(Path(tape.write(directory)))
    assert rate == 8000
    return heard


def test_nothing_that_was_said_is_no_file(tmp_path: Path) -> None:
    assert Tape().write(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_packets_are_where_their_timestamps_say(tmp_path: Path) -> None:
    """Also over the wrap of 32 bits, out of order, and told twice."""
    tape = Tape()
    for number in (0, 3, 1, 1):
        tape.keep(LOUD, (2**32 - 160 + number * 160) % 2**32, "pcmu")
    tape.keep(LOUD, 500, "PCMA")
    heard = kept(tape, tmp_path)
    loud = [bool(heard[n * 160]) for n in range(len(heard) // 160)]
    assert loud == [True, True, False, True]


def test_a_clock_that_jumps_leaves_no_gap(tmp_path: Path) -> None:
    tape = Tape()
    for at in (0, 160, 5_000_000, 5_000_160):
        tape.keep(LOUD, at, "PCMU")
    assert len(kept(tape, tmp_path)) == 640


def test_no_more_than_five_minutes_are_kept(tmp_path: Path) -> None:
    tape, minute = Tape(), 60 * 8000
    for number in range(10):
        tape.keep(b"\xff" * minute, number * minute, "PCMU")
    assert len(kept(tape, tmp_path)) == TAPE_S_MAX * 8000


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    tape = Tape()
    tape.keep(LOUD, 0, "PCMU")
    with pytest.raises(OSError, match="No such"):
        tape.write(tmp_path / "gone")
