"""Customers, agents, and the keys that tokens are signed with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mesh.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("identity_verification", sa.String(16), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
    )
    op.create_table(
        "agent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("permissions", sa.Integer(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent")),
        sa.UniqueConstraint("username", name=op.f("uq_agent_username")),
    )
    op.create_index("ix_agent_customer_id", "agent", ["customer_id"])
    op.create_table(
        "signing_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("private_der", sa.LargeBinary(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_key")),
    )
