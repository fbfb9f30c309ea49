"""How many provider calls are placed at once.

Placing one makes call_manager ask this service where to dial. If placing could take every place
at the server, those questions would find none, and everyone would wait for everyone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from mesh.errors import ServiceOverloaded

RETRY_AFTER_S: Final = 1.0


class Admission:
    """A budget of its own for placing provider calls, smaller than the server's for all RPCs."""

    def __init__(self, places: int, sagas: Callable[[], int]) -> None:
        self._places = places
        self._sagas = sagas
        self._waiting = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for the enclosed work; raises ServiceOverloaded when there is none.

        Sagas whose requests went away count, too: they also cause questions.
        """
        if max(self._waiting, self._sagas()) >= self._places:
            raise ServiceOverloaded(
                f"{self._places} provider calls are being placed; that is the limit.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
