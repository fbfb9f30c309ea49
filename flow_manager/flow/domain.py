"""What a flow is, and the rules about it. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from flow_manager.action.domain import Action, StatedAction
from flow_manager.errors import FlowFollowsItself, FlowNotFound
from mesh.clock import ZERO_ID

FLOWS_MAX: Final = 10_000
"""The most flows of a customer (CONTRACT.md section 2.7); deleted and temporary ones are not
counted."""

TEMPORARY_NAME: Final = "tmp"
"""The name of a temporary flow that was given none."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow as it is stored."""

    id: UUID
    customer_id: UUID
    owner_id: UUID | None
    """What a temporary flow was made for; None for a flow that stays."""
    name: str
    detail: str
    actions: tuple[Action, ...]
    digest: str
    """`FlowDraft.digest` of the request that created it."""
    tm_create: datetime
    on_complete_flow_id: UUID | None = None
    """The flow that runs when a run of this one is over."""
    tm_update: datetime | None = None
    tm_delete: datetime | None = None

    @property
    def is_temporary(self) -> bool:
        """Tell whether a peer made it for one purpose: it is in no list and is not counted."""
        return self.owner_id is not None

    @property
    def is_tombstone(self) -> bool:
        """Tell whether it never was a flow: its deletion came before its creation."""
        return not self.digest

    @property
    def is_readable(self) -> bool:
        """Tell whether it can be read: a deleted temporary flow is gone, another one is not."""
        return self.tm_delete is None or not self.is_temporary


@dataclass(frozen=True, slots=True)
class FlowDraft:
    """A flow that somebody asks for."""

    customer_id: UUID
    id: UUID | None = None
    """None: to be minted."""
    owner_id: UUID | None = None
    name: str = ""
    detail: str = ""
    actions: tuple[StatedAction, ...] = ()
    on_complete_flow_id: UUID | None = None

    @property
    def digest(self) -> str:
        """Return the SHA-256 of everything asked for, in hexadecimal.

        The ids that will be minted are no part of it, so a repeated request has the same.
        """
        stated = asdict(self)
        if self.on_complete_flow_id is None:
            # Digests that were stored before there was such a field go on being the same.
            del stated["on_complete_flow_id"]
        text = json.dumps(stated, sort_keys=True, default=str, ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def flow(self, flow_id: UUID, actions: tuple[Action, ...], now: datetime) -> Flow:
        """Return the flow that this draft becomes."""
        return Flow(
            id=flow_id,
            customer_id=self.customer_id,
            owner_id=self.owner_id,
            name=self.name or (TEMPORARY_NAME if self.owner_id is not None else ""),
            detail=self.detail,
            actions=actions,
            digest=self.digest,
            tm_create=now,
            on_complete_flow_id=self.on_complete_flow_id,
        )


@dataclass(frozen=True, slots=True)
class FlowChange:
    """What to change of a flow; None keeps what is stored."""

    name: str | None = None
    detail: str | None = None
    actions: tuple[StatedAction, ...] | None = None
    on_complete_flow_id: UUID | None = None
    """The zero id takes it away."""


def tombstone(flow_id: UUID, now: datetime) -> Flow:
    """Return what stands for a temporary flow that was deleted before it was created."""
    return Flow(
        id=flow_id,
        customer_id=ZERO_ID,
        owner_id=ZERO_ID,
        name="",
        detail="",
        actions=(),
        digest="",
        tm_create=now,
        tm_delete=now,
    )


def check_follower(flow: Flow, following: Flow) -> None:
    """Check that `following` may run when `flow` is over: it is another one, and stays.

    Raises FlowFollowsItself and FlowNotFound.
    """
    if following.id == flow.id:
        raise FlowFollowsItself(flow.id)
    if following.is_temporary:
        raise FlowNotFound(following.id)


def is_repeat(stored: Flow, draft: FlowDraft) -> bool:
    """Tell whether a draft asks again for the flow that is stored, and that is still there."""
    return (
        stored.tm_delete is None
        and stored.customer_id == draft.customer_id
        and stored.digest == draft.digest
    )
