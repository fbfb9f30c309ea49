"""Log lines that a peer can cause as often as it likes, written only now and then."""

from __future__ import annotations

import logging
import time
from typing import Final

EVERY_S: Final = 5.0
"""How long, in seconds, one line stands for those that follow it."""


class Seldom:
    """Writes a line at most every `EVERY_S`, with the number of those it left out since."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._not_before = 0.0
        self._left_out = 0

    def log(self, level: int, line: str, *facts: object) -> None:
        """Write the line, or count it."""
        now = time.monotonic()
        if now < self._not_before:
            self._left_out += 1
            return
        self._logger.log(level, line + " (left out since the last: %d)", *facts, self._left_out)
        self._not_before, self._left_out = now + EVERY_S, 0
