"""Sounds that were asked for a moment ago, so that a loop costs nothing."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class SoundCache:
    """Keeps sounds up to a sum of bytes, the last used longest, each no longer than `seconds`."""

    def __init__(
        self,
        *,
        bytes_max: int,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bytes_max = bytes_max
        self._seconds = seconds
        self._now = now
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[bytes, float]] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """Return what is kept under a key, or None."""
        sound, until = self._kept.get(key, (None, 0.0))
        if sound is None:
            return None
        if until <= self._now():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return sound

    def keep(self, key: Hashable, sound: bytes) -> None:
        """Keep a sound in place of those that were not asked for the longest."""
        self._drop(key)
        if len(sound) > self._bytes_max:
            return
        self._kept[key] = (sound, self._now() + self._seconds)
        self._size += len(sound)
        while self._size > self._bytes_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        sound, _ = self._kept.pop(key, (b"", 0.0))
        self._size -= len(sound)
