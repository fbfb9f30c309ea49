"""What the supervisor keeps in the data directory, and the addresses it finds."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from api_gateway.cli import data_dir
from api_gateway.cli.data_dir import (
    Addresses,
    DataDir,
    DataDirRefused,
    free_address,
    free_addresses,
    write_private,
)


def test_addresses_that_are_chosen_together_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_dir, "_FREE_PORTS", range(10_240, 10_260))
    monkeypatch.setattr(data_dir, "_PORT_TRIES_MAX", 20)
    wanted = [("127.0.0.1", socket.SOCK_STREAM)] * 12
    assert len(set(free_addresses(*wanted))) == 12


def test_an_ipv6_address_is_found_too() -> None:
    host, _, port = free_address("[::1]", socket.SOCK_DGRAM).rpartition(":")
    assert host == "[::1]"
    assert port.isdigit()


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(OSError, match=r"cannot listen at 192\.0\.2\.1 \("):
        free_address("192.0.2.1")


def test_the_sip_address_is_kept(tmp_path: Path) -> None:
    kept = DataDir(tmp_path)
    assert kept.kept_sip() is None
    kept.keep(Addresses("127.0.0.1:80", "127.0.0.1:5062", "127.0.0.1:81", {}))
    assert DataDir(tmp_path).kept_sip() == "127.0.0.1:5062"


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", '"sip"'])
def test_a_broken_memory_of_the_sip_address_says_what_to_do(tmp_path: Path, broken: str) -> None:
    (tmp_path / "addresses.json").write_text(broken)
    with pytest.raises(DataDirRefused, match="is broken; delete it"):
        DataDir(tmp_path).kept_sip()


def test_a_private_file_is_never_written_into_one_that_lay_in_wait(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("")
    theirs.chmod(0o666)
    (tmp_path / f".secret.{os.getpid()}").symlink_to(theirs)
    write_private(tmp_path / "secret", "swordfish\n")
    assert theirs.read_text() == ""
    assert (tmp_path / "secret").read_text() == "swordfish\n"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
