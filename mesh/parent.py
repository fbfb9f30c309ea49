"""Ends the process when its supervisor dies, however it dies.

The supervisor holds the write end of a pipe whose read end we inherit; the kernel closes it with
the supervisor, even after SIGKILL, and the read returns.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from mesh.start import StartRefused

PARENT_FD: Final = "VBMESH_PARENT_FD"
"""The environment variable that names the inherited read end."""

LAST_CHANCE_S: Final = 5.0
"""Seconds an orphan gets beyond its drain grace before it is ended by force."""

EXIT_ORPHANED: Final = 1
"""The exit status of an orphan that could not end in time."""


def watch(orphaned: Callable[[], object], grace_s: float) -> None:
    """Call `orphaned` from a thread once the supervisor is gone; exit by force `grace_s` later.

    Does nothing when no supervisor is named. Raises StartRefused when what is named is not open:
    nobody would end this process then.
    """
    named = os.environ.get(PARENT_FD)
    if named is None:
        return
    try:
        descriptor = int(named)
        os.fstat(descriptor)
    except (ValueError, OSError) as error:
        raise StartRefused(
            f"{PARENT_FD} names no open file. Only a supervisor sets it; unset it."
        ) from error
    # Our own children must not inherit it: they would not notice anything, and need not.
    os.set_inheritable(descriptor, False)

    def wait() -> None:
        while os.read(descriptor, 4096):
            pass
        orphaned()
        time.sleep(grace_s)
        os._exit(EXIT_ORPHANED)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
