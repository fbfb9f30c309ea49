"""The tables of running flows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Text, text
from sqlmodel import Field

from flow_manager.tables import Table
from mesh.database import Json, UtcDateTime, Uuid

# What a list shows, so that the lists' indexes hold nothing else.
_LISTED = text("tm_delete IS NULL")
_WAITING = text("tm_due IS NOT NULL")


def _listed_by(name: str, *columns: str) -> Index:
    return Index(
        f"ix_activeflow_{name}",
        "customer_id",
        *columns,
        "tm_create",
        "id",
        sqlite_where=_LISTED,
        postgresql_where=_LISTED,
    )


class ActiveflowRow(Table, table=True):
    """A flow at work on one reference, or the tombstone of one that must never run."""

    __tablename__ = "activeflow"
    __table_args__ = (
        _listed_by("listed"),
        _listed_by("listed_by_status", "status"),
        _listed_by("listed_by_flow", "flow_id"),
        _listed_by("listed_by_reference", "reference_id"),
        Index("ix_activeflow_due", "tm_due", sqlite_where=_WAITING, postgresql_where=_WAITING),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    flow_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    reference_type: str = Field(sa_column=Column(String(16), nullable=False))
    """`domain.ReferenceType`; a tombstone has `call`, and the zero id for all it is about."""
    reference_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    actions: list[dict[str, Any]] = Field(sa_column=Column(Json(), nullable=False))
    """`action.convert.actions_to_json` of the flow's actions when it started."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    """`domain.ActiveflowStatus`."""
    step_count: int = Field(sa_column=Column(Integer(), nullable=False))
    """How many actions ran; who adds a step states how many there were."""
    on_complete_flow_id: UUID | None = Field(default=None, sa_column=Column(Uuid()))
    on_complete_skipped: str = Field(
        sa_column=Column(String(64), nullable=False, server_default="")
    )
    """The reason of an error; empty for none."""
    reference_activeflow_id: UUID | None = Field(default=None, sa_column=Column(Uuid()))
    complete_count: int = Field(sa_column=Column(Integer(), nullable=False, server_default="0"))
    variables: dict[str, str] | None = Field(default=None, sa_column=Column(Json()))
    """What `${name}` in options stands for by now; unset for none."""
    frames: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(Json()))
    """`state.frames_to_json` of the flows that run within this one; unset for none."""
    state: dict[str, Any] | None = Field(default=None, sa_column=Column(Json()))
    """`state.state_to_json`: what else it takes to go on; unset in rows of before there was it."""
    traceparent: str | None = Field(default=None, sa_column=Column(String(64)))
    """The trace that flow_manager goes on with where it does the actions itself."""
    tm_due: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    """When flow_manager goes on with it; unset for what it does not run itself, or is over."""
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class ActiveflowStepRow(Table, table=True):
    """One action that ran."""

    __tablename__ = "activeflow_step"

    activeflow_id: UUID = Field(
        sa_column=Column(Uuid(), ForeignKey("activeflow.id"), primary_key=True)
    )
    number: int = Field(sa_column=Column(Integer(), primary_key=True, autoincrement=False))
    """1 for the first."""
    action_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    action: dict[str, Any] | None = Field(default=None, sa_column=Column(Json()))
    """The action as it was done; unset where it is as in the running flow's own actions."""
    error: str = Field(sa_column=Column(Text(), nullable=False, server_default=""))
    """Why it failed; empty when it did not."""
    tm_execute: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))


class ActiveflowCountRow(Table, table=True):
    """How many flows of a customer's flow_manager runs itself at the moment."""

    __tablename__ = "activeflow_count"

    customer_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    running: int = Field(sa_column=Column(Integer(), nullable=False))
