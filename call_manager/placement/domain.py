"""What a customer asks for with `POST /v1.0/calls` or `/groupcalls`, and its end. Pure: no I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from grpc import StatusCode

from call_manager.call.domain import Call
from mesh.verdict import Verdict

FLOW_NAME: Final = "tmp"
"""The name of a flow that was made of inline actions (contract section 3.9)."""


class Status(StrEnum):
    """Whether a placement's calls were created."""

    PENDING = "pending"
    """Being created, or not known yet."""
    COMPLETED = "completed"
    """They exist."""
    FAILED = "failed"
    """They do not exist and never will."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The wish, kept before anything is done for it.

    The ids of the flow and of the calls are minted before any of them exists, so that every step
    can be repeated without doing anything twice. Its own id is the creation's, too.
    """

    id: UUID
    customer_id: UUID
    idempotency_key: str | None
    content: bytes
    """The request as given, serialized in one canonical way, without who asked and its key."""
    call_ids: tuple[UUID, ...]
    """One per destination, in order."""
    temporary_flow_id: UUID | None
    """The flow made of the inline actions, if any."""
    provider_ids: tuple[UUID, ...]
    """The only providers the caller may use; empty for no such limit."""
    verified: bool
    """Whether the customer's identity is, so that it may call telephone numbers."""
    rtp_debug: bool
    """Whether the customer has its calls' RTP captured."""
    dial_not_after: datetime
    """After this moment nothing may be dialled."""
    traceparent: str
    request_id: str
    tm_create: datetime
    groupcall_id: UUID | None = None
    """The groupcall that the calls are to be; None: `content` asks for calls on their own."""
    status: Status = Status.PENDING
    verdict: Verdict | None = None
    """Why it fails. Set while still pending: decided, and what was made is being undone."""
    created: tuple[Call, ...] = ()
    """The calls right after they were created, for who has just created them; not stored."""

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hexadecimal, that tells this wish from another with its key."""
        return hashlib.sha256(self.content).hexdigest()


def window_passed(dial_not_after: datetime) -> Verdict:
    """Return the verdict when it became too late to dial before the calls were created."""
    moment = dial_not_after.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Verdict(
        code=StatusCode.FAILED_PRECONDITION,
        reason="DIAL_WINDOW_PASSED",
        message="The calls could not be created in time; nothing was dialled.",
        facts={"dial_not_after": moment},
    )
