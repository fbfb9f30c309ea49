"""Health checks of providers: what is known, when to ask again, their history; events."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0008"
down_revision = "0007"


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("health_changed_at", UtcDateTime(), nullable=True),
        sa.Column("health_latency_ms", sa.Integer(), nullable=True),
        sa.Column("health_detail", sa.Text(), nullable=False, server_default=""),
        sa.Column("health_streak", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("health_due_at", UtcDateTime(), nullable=True),
        sa.Column("health_leased_until", UtcDateTime(), nullable=True),
    )


def upgrade() -> None:
    for column in _columns():
        op.add_column("provider", column)
    _checks()
    _events()


def downgrade() -> None:
    op.drop_table("event")
    op.drop_table("provider_health_check")
    for column in reversed(_columns()):
        op.drop_column("provider", column.name)


def _checks() -> None:
    op.create_table(
        "provider_health_check",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("provider_id", Uuid(), nullable=False),
        sa.Column("healthy", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("requested", sa.Boolean(), nullable=False),
        sa.Column("sip_code", sa.Integer(), nullable=False),
        sa.Column("sip_reason", sa.Text(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("transport", sa.String(8), nullable=False),
        sa.Column("remote_address", sa.Text(), nullable=False),
        sa.Column("dns", Json(), nullable=False),
        sa.Column("tls", Json(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_health_check")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.id"], name=op.f("fk_provider_health_check_provider_id")
        ),
    )
    op.create_index(
        "ix_provider_health_check_provider_id_tm_create_id",
        "provider_health_check",
        ["provider_id", "tm_create", "id"],
    )


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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    for column in ("resource_id", "group_id"):
        op.create_index(f"ix_event_{column}_tm_create_id", "event", [column, "tm_create", "id"])
