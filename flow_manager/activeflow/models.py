"""The tables of running flows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Integer, String
from sqlmodel import Field

from flow_manager.tables import Table
from mesh.database import Json, UtcDateTime, Uuid


class ActiveflowRow(Table, table=True):
    """A flow at work on one reference."""

    __tablename__ = "activeflow"

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    flow_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    reference_type: str = Field(sa_column=Column(String(16), nullable=False))
    """`domain.ReferenceType`."""
    reference_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    actions: list[dict[str, Any]] = Field(sa_column=Column(Json(), nullable=False))
    """`action.convert.actions_to_json` of the flow's actions when it started."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    """`domain.ActiveflowStatus`."""
    step_count: int = Field(sa_column=Column(Integer(), nullable=False))
    """How many actions were handed out; who adds a step states how many there were."""
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class ActiveflowStepRow(Table, table=True):
    """One action that was handed out."""

    __tablename__ = "activeflow_step"

    activeflow_id: UUID = Field(
        sa_column=Column(Uuid(), ForeignKey("activeflow.id"), primary_key=True)
    )
    number: int = Field(sa_column=Column(Integer(), primary_key=True, autoincrement=False))
    """1 for the first."""
    action_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    tm_execute: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
