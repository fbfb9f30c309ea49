"""What actions ask of those who make sounds.

Every sound is 16-bit linear samples (little-endian, 8000 Hz, mono), and limited by who makes it.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class Speaker(Protocol):
    """Who says texts."""

    async def say(self, customer_id: UUID, text: str, language: str) -> bytes:
        """Return `text` of a customer's spoken; an empty language is the speaker's own.

        Raises MeshError, whose message is one sentence, when it cannot be said.
        """


class Sounds(Protocol):
    """Where sounds are found."""

    async def get(self, customer_id: UUID, location: str) -> bytes:
        """Return the sound at an http(s) URL, or that of `audio_file:<uuid>` of the customer's.

        Raises MeshError, whose message is one sentence, when there is none that can be played.
        """
