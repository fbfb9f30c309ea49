"""How many files may be on their way in at once: each is held whole until it is passed on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mesh.errors import ServiceOverloaded

AT_ONCE_MAX: Final = 32
"""How many files may come in at once."""

OF_ONE_MAX: Final = 4
"""How many of them may be one customer's, so that its slow ones keep nobody else's out."""


class Uploads:
    """Counts the files that are coming in, by customer."""

    def __init__(self) -> None:
        self._coming: Counter[str] = Counter()

    @contextmanager
    def one(self, customer_id: str) -> Iterator[None]:
        """Let one more of a customer's in. Raises ServiceOverloaded when there is no room."""
        if self._coming[customer_id] >= OF_ONE_MAX or self._coming.total() >= AT_ONCE_MAX:
            raise ServiceOverloaded("Too many files are coming in at once.", retry_after_s=1.0)
        self._coming[customer_id] += 1
        try:
            yield
        finally:
            self._coming[customer_id] -= 1
            # Only who is here is remembered.
            self._coming += Counter()
