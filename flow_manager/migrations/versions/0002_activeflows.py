"""Flows that run without a call, their variables, and the lists of running flows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("variables", Json(), nullable=True),
        sa.Column("traceparent", sa.String(64), nullable=True),
        sa.Column("tm_due", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
    ):
        op.add_column("activeflow", column)
    for name, columns in (
        ("listed", []),
        ("listed_by_status", ["status"]),
        ("listed_by_flow", ["flow_id"]),
        ("listed_by_reference", ["reference_id"]),
    ):
        _index(name, ["customer_id", *columns, "tm_create", "id"], "tm_delete IS NULL")
    _index("due", ["tm_due"], "tm_due IS NOT NULL")
    op.create_table(
        "activeflow_count",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_activeflow_count")),
    )
    _events()


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("event_type", sa.String(64), nullable=False),
        sa.Column("resource_type", sa.String(64), nullable=False),
        sa.Column("resource_id", Uuid(), nullable=False),
        sa.Column("customer_id", Uuid(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("group_id", Uuid(), nullable=True),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    for column in ("resource_id", "group_id"):
        op.create_index(f"ix_event_{column}_tm_create_id", "event", [column, "tm_create", "id"])


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(
        f"ix_activeflow_{name}",
        "activeflow",
        columns,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
