"""A setup, what it makes at the carrier, and what a carrier's API has to offer for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, Protocol
from uuid import UUID

from route_manager.provider.domain import ProviderSettings

REMOVED_AT: Final = "carrier_removed_at"
"""The key of a provider's metadata that says when its side at the carrier was removed."""

OBJECT_NAME_CHARACTERS: Final = 64
"""How much of the provider's name is in the names at the carrier."""

Made = Mapping[str, str]
"""What exists at the carrier: the carrier's id of each kind of object."""


@dataclass(frozen=True, slots=True)
class PublicSipAddress:
    """Where carriers send SIP to this platform."""

    fqdn: str
    port: int


@dataclass(frozen=True, slots=True)
class SetupOrder:
    """What is to be set up; holds no credentials."""

    id: UUID
    """The setup's id, minted before anything is asked of the carrier."""
    carrier: str
    name: str
    detail: str = ""

    @property
    def object_name(self) -> str:
        """The name of everything that the setup makes at the carrier.

        The id in it tells two setups of one name apart, and finds what a lost answer hid.
        """
        return f"{self.name[:OBJECT_NAME_CHARACTERS]} {self.id}"


@dataclass(frozen=True, slots=True)
class CarrierObject:
    """Something that exists, or with an empty id may exist, in the account at the carrier."""

    kind: str
    id: str
    name: str

    def __str__(self) -> str:
        """Name it as the administrator will look for it."""
        return f'{self.kind} {self.id or "that may exist"} named "{self.name}"'


class SetupStatus(StrEnum):
    """How far a setup got."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Setup:
    """The record of a setup. It outlives the process, so that nothing at the carrier is lost."""

    order: SetupOrder
    tm_create: datetime
    status: SetupStatus = SetupStatus.PENDING
    objects: tuple[CarrierObject, ...] = ()
    """What exists or may exist at the carrier without a provider, in the order of making."""
    provider_id: UUID | None = None
    error_reason: str = ""
    error_message: str = ""
    tm_update: datetime | None = None

    @property
    def id(self) -> UUID:
        """Return the setup's id."""
        return self.order.id


class Trouble(StrEnum):
    """What kind of failure a carrier's answer, or its silence, is."""

    REJECTED = "rejected"
    """The key is unknown or lacks permissions."""
    REFUSED = "refused"
    """The carrier understood and will not."""
    ERROR = "error"
    """The carrier failed, or its answer makes no sense."""
    UNAVAILABLE = "unavailable"
    """Not reached, or asked for patience."""
    TIMEOUT = "timeout"
    """No answer in time."""


# Not frozen: whoever passes an exception on sets its traceback.
@dataclass(eq=False)
class CarrierFailure(Exception):
    """The carrier did not do what it was asked.

    `words` is one or more sentences without secrets, the carrier's own where it said some.
    `unknown_end` says that it may have done it all the same.
    """

    trouble: Trouble
    words: str
    http_status: int = 0
    """What the carrier answered with; 0 when it did not answer."""
    carrier_code: str = ""
    """The carrier's own code of the error, where it gave one."""
    unknown_end: bool = False
    retry_after_s: float | None = None

    def __str__(self) -> str:
        """Return the words."""
        return self.words

    @property
    def final(self) -> bool:
        """Tell whether asking again would end the same way."""
        return self.trouble in (Trouble.REJECTED, Trouble.REFUSED)


class Carrier(Protocol):
    """A carrier's API, opened with one account's key.

    Every method may raise CarrierFailure. Another carrier is one file with one class that
    fulfils this, and one line in the registry.
    """

    name: ClassVar[str]
    kinds: ClassVar[Sequence[str]]
    """The kinds of objects that a setup makes, in that order; they are removed in reverse."""

    async def check_key(self) -> None:
        """Raise unless the carrier accepts the key. Changes nothing there."""
        ...

    async def create(self, kind: str, order: SetupOrder, made: Made) -> str:
        """Make the object and return the carrier's id of it; `made` are those before it."""
        ...

    async def find(self, kind: str, order: SetupOrder, made: Made) -> Sequence[str]:
        """Return the ids of the objects of that kind that this very setup has made."""
        ...

    async def remove(self, kind: str, object_id: str) -> None:
        """Remove the object; one that is gone already is no failure."""
        ...

    def settings(self, order: SetupOrder) -> ProviderSettings:
        """Return what the provider is to be."""
        ...

    def metadata(self, made: Made) -> Mapping[str, str]:
        """Return what the provider's metadata keeps, so that `made` can be read from it."""
        ...
