"""Flows, how many a customer has, and running flows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "flow",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("detail", sa.String(1024), nullable=False),
        sa.Column("actions", Json(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow")),
    )
    listed = sa.text("tm_delete IS NULL AND owner_id IS NULL")
    op.create_index(
        "ix_flow_listed",
        "flow",
        ["customer_id", "tm_create", "id"],
        sqlite_where=listed,
        postgresql_where=listed,
    )
    op.create_table(
        "flow_count",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("flows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_flow_count")),
    )
    op.create_table(
        "activeflow",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("flow_id", sa.Uuid(), nullable=False),
        sa.Column("reference_type", sa.String(16), nullable=False),
        sa.Column("reference_id", sa.Uuid(), nullable=False),
        sa.Column("actions", Json(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("step_count", sa.Integer(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activeflow")),
    )
    op.create_table(
        "activeflow_step",
        sa.Column("activeflow_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("action_id", sa.Uuid(), nullable=False),
        sa.Column("tm_execute", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("activeflow_id", "number", name=op.f("pk_activeflow_step")),
        sa.ForeignKeyConstraint(
            ["activeflow_id"],
            ["activeflow.id"],
            name=op.f("fk_activeflow_step_activeflow_id"),
        ),
    )
