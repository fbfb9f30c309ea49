"""Who makes sounds, in a test's hands."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError

SECOND = bytes(16_000)
"""A second of silence: 16-bit linear samples, 8000 Hz."""


class Unplayable(MeshError):
    """A sound that cannot be had."""

    code, reason = StatusCode.FAILED_PRECONDITION, "SOUND_UNAVAILABLE"


class FakeSpeaker:
    """Fulfils `Speaker`: a text becomes its own octets, a second long at least."""

    def __init__(self) -> None:
        self.failure: MeshError | None = None
        self.said: list[tuple[str, str]] = []

    async def say(self, _customer_id: UUID, text: str, language: str) -> bytes:
        self.said.append((text, language))
        if self.failure is not None:
            raise self.failure
        return spoken(text)


class FakeSounds:
    """Fulfils `Sounds`: a location's sound are its own octets; some cannot be had."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.asked: list[tuple[UUID, str]] = []

    async def get(self, customer_id: UUID, location: str) -> bytes:
        self.asked.append((customer_id, location))
        if location in self.missing:
            raise Unplayable(f"There is no sound at {location}.")
        return spoken(location)


def spoken(text: str) -> bytes:
    """Return the sound that stands for a text."""
    return text.encode("utf-16-le").ljust(len(SECOND), b"\0")
