"""What a running node says of itself in its data directory: that it runs, its pid, its addresses.

`<name>.lock` is held as long as the process lives, whatever ends it, so that two nodes of one
name never share a data directory; `run/<name>.pid` and `run/<name>.json` are there to be read.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from mesh.start import StartRefused


class RunFiles:
    """The run files of one node."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._folder = data_dir / "run"
        # Stays when the node ends: who waits for it must find the same file as who holds it.
        self._lock_path = data_dir / f"{name}.lock"
        self._name = name
        self._lock: IO[str] | None = None

    def hold(self) -> bool:
        """Become the one node of this name on the data directory; False while another one is.

        Raises StartRefused when the directory cannot be written to.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._lock_path.open("w", encoding="utf-8")
        except OSError as error:
            raise StartRefused(
                f"cannot write to {self._folder} ({error.strerror}). "
                "Set VBMESH_DATA_DIR to a directory that this user may write to."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        self.remove()
        return True

    def write_pid(self) -> None:
        """Write `<data_dir>/run/<name>.pid`."""
        self._write(self._path("pid"), f"{os.getpid()}\n")

    def write_addresses(self, addresses: Mapping[str, Any]) -> None:
        """Write `<data_dir>/run/<name>.json`; it is there only while the node listens."""
        self._write(self._path("json"), json.dumps(addresses, sort_keys=True) + "\n")

    @property
    def listens(self) -> bool:
        """Tell whether the node says that it listens; one that was killed cannot take it back."""
        return self._path("json").exists()

    def remove(self) -> None:
        """Remove the pid and the addresses, of an earlier run or of our own."""
        for kind in ("json", "pid"):
            self._path(kind).unlink(missing_ok=True)

    def release(self) -> None:
        """Remove what we wrote and let another node of the name begin; harmless when repeated."""
        if self._lock is not None:
            self.remove()
            self._lock.close()
            self._lock = None

    def _path(self, kind: str) -> Path:
        return self._folder / f"{self._name}.{kind}"

    @staticmethod
    def _write(path: Path, text: str) -> None:
        # A reader sees the whole file or none: written beside, then renamed.
        beside = path.with_suffix(f"{path.suffix}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
