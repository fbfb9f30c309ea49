"""What the database bounds: how many wait, how long, how often, how much at once."""

from __future__ import annotations

from typing import Final

from mesh import ambient

ATTEMPTS_MAX: Final = 5
"""How often PostgreSQL runs `work` when it could not serialise it."""

RETRY_DELAY_S: Final = 0.02
"""The pause before the second run; it doubles for each further one."""

WAITING_MAX: Final = 1024
"""How many transactions may wait for a connection; more are refused at once."""

WAIT_S_MAX: Final = 10.0
"""How long one waits for a connection before it is refused."""

BUSY_S_MAX: Final = 5.0
"""How long one waits for a lock that another process or transaction holds."""

STATEMENT_S_MAX: Final = 30.0
"""How long a server, or a thread of its own, works at one statement."""

LOCAL_STATEMENT_S_MAX: Final = 5.0
"""How long SQLite works at one statement; it does so on the loop's thread (ADR 8)."""

BATCH_MAX: Final = 128
"""The most transactions that share one commit."""

SLICE_S: Final = 0.005
"""How long a batch runs before others get the loop."""

SURVEYS_MAX: Final = 16
"""How many long looks may wait or run on SQLite; more are refused at once."""

READERS: Final = 4
POSTGRES_WRITERS: Final = 8


def wait_s() -> float:
    """Return how long the current request may wait for its turn, in seconds."""
    # After its deadline nobody waits for the answer, so what has not begun need not begin.
    left = ambient.remaining_s()
    return WAIT_S_MAX if left is None else max(0.0, min(WAIT_S_MAX, left))
