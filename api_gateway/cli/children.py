"""Child processes of a command: they log to files, and none outlives the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from mesh.parent import PARENT_FD

STOP_S_MAX: Final = 30.0
"""How long a child may take to end before it is killed."""

_POLL_S: Final = 0.05


class ChildFailed(Exception):
    """A child did not come up, or died; the message names its log."""


class Children:
    """Runs `python -m` programs; leaving the context ends them, the last started first."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # The kernel closes our write end however we end, and the children notice.
        self._read_end, self._write_end = os.pipe()

    def __enter__(self) -> Children:
        """Start nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every child."""
        for child in reversed(self._running.values()):
            _end(child)
        os.close(self._write_end)
        os.close(self._read_end)

    def log_of(self, name: str) -> Path:
        """Return where a child's output goes."""
        return self._log_dir / f"{name}.log"

    def start(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        """Start `python -m module`; its environment is ours and what is given."""
        with self.log_of(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**os.environ, **environment, PARENT_FD: str(self._read_end)},
                pass_fds=(self._read_end,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C at the terminal reaches this process alone; it ends the others in order.
                start_new_session=True,
            )

    def wait_ready(self, name: str, ready_file: Path, within_s: float) -> dict[str, Any]:
        """Return what a child writes into its ready file.

        Raises ChildFailed when the child ends first, or `within_s` seconds have passed.
        """
        deadline = time.monotonic() + within_s
        while not ready_file.exists():
            self.check()
            if time.monotonic() > deadline:
                raise ChildFailed(
                    f"{name} is not ready after {within_s:.0f} s; see {self.log_of(name)}."
                )
            time.sleep(_POLL_S)
        document: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
        return document

    def check(self) -> None:
        """Raise ChildFailed when a child has ended."""
        for name, child in self._running.items():
            status = child.poll()
            if status is not None:
                raise ChildFailed(f"{name} ended with status {status}; see {self.log_of(name)}.")


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
