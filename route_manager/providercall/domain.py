"""The record of a provider call, and what its end may be. Pure: no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from grpc import StatusCode

from mesh.verdict import Retold, Verdict
from route_manager.errors import ProviderCallHungUp
from route_manager.provider.domain import NumberFormat, Provider, Transport, shown_headers

FLOW_NAME: Final = "tmp"
"""The name of a flow that was made of inline actions (contract section 3.9)."""


class Status(StrEnum):
    """Whether a provider call's calls were created."""

    PENDING = "pending"
    """Being created, or not known yet."""
    COMPLETED = "completed"
    """At least one was created."""
    REFUSED = "refused"
    """No destination was admitted; nothing was dialled."""
    FAILED = "failed"
    """They could not be created; nothing was dialled."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for. Only what this service decides by is spelled out."""

    provider_id: UUID
    flow_id: UUID | None
    """The flow that was named."""
    has_inline_actions: bool
    """Whether a temporary flow is to be made; never when a flow was named."""
    destination_count: int
    content: bytes
    """The request as given, serialized in one canonical way: addresses and actions travel
    through this service unread, so nothing of them can be lost or changed."""
    is_group: bool = False
    """Whether the destinations are to be one groupcall."""

    @property
    def fingerprint(self) -> bytes:
        """Return the SHA-256 that tells this request from another with the same key."""
        return hashlib.sha256(self.content).digest()


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What was known of the customer when it asked; what is not known counts against it."""

    status: str = ""
    identity_verification: str = ""
    rtp_debug: bool = False


NOTHING_KNOWN: Final = CustomerFacts()


@dataclass(frozen=True, slots=True)
class Wish:
    """An order and who places it."""

    order: Order
    customer_id: UUID
    agent_id: UUID
    idempotency_key: str | None
    customer: CustomerFacts = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A provider's configuration at one moment, without its password.

    What has a default here was not there in records of earlier versions.
    """

    hostname: str
    tech_prefix: str
    tech_postfix: str
    tech_headers: Mapping[str, str]
    codecs: str
    name: str
    sip_username: str
    transport: Transport = Transport.UDP
    port: int = 0
    outbound_proxy: str = ""
    session_expires: int = 0
    number_format: NumberFormat = NumberFormat.E164


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one destination."""

    call_id: UUID
    admitted: bool
    reason: str
    """A stable reason; empty when admitted."""
    message: str


@dataclass(frozen=True, slots=True)
class Placed:
    """The calls exist."""

    outcomes: tuple[Outcome, ...]
    """One per destination, in order."""
    groupcall_ids: tuple[UUID, ...] = ()

    @property
    def admitted(self) -> tuple[UUID, ...]:
        """Return the calls that were handed to the dialer; the others never lived."""
        return tuple(outcome.call_id for outcome in self.outcomes if outcome.admitted)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records a list is to show; None: whatever they have there."""

    provider_id: UUID | None = None
    agent_id: UUID | None = None
    created_after: datetime | None = None
    """This moment or later."""
    created_before: datetime | None = None
    """Before this moment."""
    allowed_providers: frozenset[UUID] | None = None
    """The only providers the reader may see."""


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """The record: what was asked, by whom, and everything that will exist because of it.

    The ids of the flow, of the creation, of the calls and of their groupcall are minted before any
    of them exists, so that every step can be repeated without doing anything twice.
    """

    id: UUID
    wish: Wish
    creation_id: UUID
    call_ids: tuple[UUID, ...]
    """One per destination, in order."""
    temporary_flow_id: UUID | None
    """The flow made of the inline actions, if any."""
    dial_not_after: datetime
    """After this moment nothing may be dialled."""
    traceparent: str
    request_id: str
    tm_create: datetime
    groupcall_id: UUID | None = None
    """The groupcall that the calls are, if they are one."""
    snapshot: Snapshot | None = None
    """The provider as it was when the record was written; every stored record has it."""
    status: Status = Status.PENDING
    verdict: Verdict | None = None
    """Why it fails. Set while still pending: decided, and what was made is being undone."""
    placed: Placed | None = None
    tm_hangup: datetime | None = None
    """When all its calls were first asked to end."""
    tm_update: datetime | None = None
    tm_delete: datetime | None = None

    @property
    def flow_id(self) -> UUID | None:
        """Return the flow the calls run; a temporary one that was undone is none."""
        undone = self.status in (Status.REFUSED, Status.FAILED)
        return self.wish.order.flow_id or (None if undone else self.temporary_flow_id)


def snapshot_of(provider: Provider) -> Snapshot:
    """Return the provider's configuration, without its password, secret headers as masks."""
    settings = provider.settings
    return Snapshot(
        hostname=settings.hostname,
        tech_prefix=settings.tech_prefix,
        tech_postfix=settings.tech_postfix,
        tech_headers=shown_headers(settings),
        codecs=settings.codecs,
        name=settings.name,
        sip_username=settings.sip_username,
        transport=settings.transport,
        port=settings.port,
        outbound_proxy=settings.outbound_proxy,
        session_expires=settings.session_expires,
        number_format=settings.number_format,
    )


# Codes with which a rule refuses a destination, or what all destinations have in common.
_REFUSALS: Final = frozenset(
    {
        StatusCode.FAILED_PRECONDITION,
        StatusCode.INVALID_ARGUMENT,
        StatusCode.NOT_FOUND,
        StatusCode.PERMISSION_DENIED,
        StatusCode.RESOURCE_EXHAUSTED,
    }
)
# Reasons that use those codes but come from the machinery: the request itself broke no rule.
_MACHINERY: Final = frozenset(
    {
        "CALLS_VOIDED",
        "CREATION_ID_REUSED",
        "DIAL_WINDOW_PASSED",
        "METADATA_KEY_NOT_ALLOWED",
        "METADATA_KEY_UNKNOWN",
        "METADATA_TYPE_INVALID",
        "PROVIDERCALL_HUNG_UP",
        "INVALID_ARGUMENT",
        "SERVICE_OVERLOADED",
    }
)


def end_of(verdict: Verdict) -> Status:
    """Return how a record ends whose calls are not to be: by a rule, or by the machinery."""
    is_rule = verdict.code in _REFUSALS and verdict.reason not in _MACHINERY
    return Status.REFUSED if is_rule else Status.FAILED


def retold(verdict: Verdict, provider_call_id: UUID) -> Retold:
    """Return the error that tells a verdict, naming its record."""
    return Retold(verdict, {"provider_call_id": str(provider_call_id)})


def window_passed(dial_not_after: datetime) -> Verdict:
    """Return the verdict when it became too late to dial before the calls were created."""
    return Verdict(
        code=StatusCode.FAILED_PRECONDITION,
        reason="DIAL_WINDOW_PASSED",
        message="The calls could not be created in time; nothing was dialled.",
        facts={"dial_not_after": dial_not_after.isoformat()},
    )


def hung_up() -> Verdict:
    """Return the verdict when the calls were to end before they were created."""
    return Verdict.of(ProviderCallHungUp())
