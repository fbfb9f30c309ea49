"""Sealing small secrets under keys in a file."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.sealing import (
    KeysUnusable,
    SealBroken,
    Sealer,
    add_key,
    mint_ring,
    read_ring,
)

SECRET = "correct horse battery staple"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "credentials" / "keys"
    mint_ring(found)
    return found


def test_what_is_sealed_opens_at_its_place_and_does_not_show(path: Path) -> None:
    sealer = Sealer(path)
    sealed = sealer.seal(SECRET, "row/1")
    assert sealed.startswith(f"s1.{sealer.key_id}.")
    assert "horse" not in sealed
    assert sealer.open(sealed, "row/1") == SECRET
    assert sealer.seal(SECRET, "row/1") != sealed


@given(text=st.text(), place=st.text())
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str, place: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.keys"
    mint_ring(path)
    sealer = Sealer(path)
    assert sealer.open(sealer.seal(text, place), place) == text


def test_an_empty_text_stays_empty(path: Path) -> None:
    assert Sealer(path).seal("", "row/1") == ""
    assert Sealer(path).open("", "row/1") == ""


def test_a_seal_that_was_moved_or_changed_does_not_open(path: Path) -> None:
    sealer = Sealer(path)
    sealed = sealer.seal(SECRET, "row/1")
    middle = len(sealed) - 20
    other = "A" if sealed[middle] != "A" else "B"
    for broken, place in (
        (sealed, "row/2"),
        (sealed[:middle] + other + sealed[middle + 1 :], "row/1"),
        (sealed[:-8], "row/1"),
        (sealed.replace("s1.", "s2."), "row/1"),
        ("clear text", "row/1"),
        (f"s1.{sealer.key_id}.", "row/1"),
        (f"s1.{sealer.key_id}.é", "row/1"),
    ):
        with pytest.raises(SealBroken) as caught:
            sealer.open(broken, place)
        assert SECRET not in str(caught.value)


def test_a_new_key_seals_at_once_and_the_old_ones_still_open(path: Path) -> None:
    sealer = Sealer(path)
    before = sealer.seal(SECRET, "row/1")
    new = add_key(path)
    after = sealer.seal(SECRET, "row/1")
    assert sealer.key_id == new
    assert after.startswith(f"s1.{new}.")
    assert [sealer.open(sealed, "row/1") for sealed in (before, after)] == [SECRET, SECRET]
    assert len(sealer.key_ids) == 2


def test_a_running_sealer_opens_what_another_sealed_with_a_key_it_has_not_seen(path: Path) -> None:
    sealer = Sealer(path)
    sealer.seal(SECRET, "row/1")
    add_key(path)
    assert sealer.open(Sealer(path).seal(SECRET, "row/1"), "row/1") == SECRET


def test_without_its_key_nothing_opens_and_the_key_is_named(path: Path, tmp_path: Path) -> None:
    sealed = Sealer(path).seal(SECRET, "row/1")
    mint_ring(tmp_path / "other")
    with pytest.raises(SealBroken) as caught:
        Sealer(tmp_path / "other").open(sealed, "row/1")
    assert caught.value.key_id == Sealer(path).key_id


def test_without_the_file_nothing_is_sealed_but_what_was_read_still_opens(path: Path) -> None:
    sealer = Sealer(path)
    sealed = sealer.seal(SECRET, "row/1")
    path.unlink()
    assert sealer.open(sealed, "row/1") == SECRET
    with pytest.raises(KeysUnusable):
        sealer.seal(SECRET, "row/1")


def test_only_its_owner_reads_the_file_and_no_first_start_replaces_it(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.read_bytes()
    mint_ring(path)
    assert path.read_bytes() == before
    add_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(before)


def test_keys_that_are_added_at_once_are_all_kept(path: Path) -> None:
    threads = [threading.Thread(target=add_key, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_ring(path).keys) == 9


def test_a_file_that_is_no_ring_is_refused_without_being_quoted(path: Path) -> None:
    line = path.read_text()
    key_id, key = line.split()
    for content in (
        "",
        "\n\n",
        "SECRETWORD",
        f"{key_id}",
        f"{key_id} SECRETWORD",
        f"{'0' * 16} {key}",
        f"{key_id} {key} SECRETWORD",
        f"{line}SECRETWORD",
        "x" * 70_000,
    ):
        path.write_text(content)
        with pytest.raises(KeysUnusable) as caught:
            Sealer(path).seal("text", "row/1")
        assert "SECRETWORD" not in str(caught.value)
        assert key not in str(caught.value)


def test_a_key_cannot_be_added_to_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("broken")
    for path in (tmp_path / "keys", tmp_path / "absent", tmp_path / "no" / "folder"):
        with pytest.raises(KeysUnusable):
            add_key(path)


def test_python_does_not_print_keys(path: Path) -> None:
    assert path.read_text().split()[1] not in repr(read_ring(path))
