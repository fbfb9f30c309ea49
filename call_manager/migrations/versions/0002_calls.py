"""Events, why a call was refused, and calls that customers ask for."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0002"
down_revision = "0001"

_LISTED_BY = ("status", "provider_id")


def upgrade() -> None:
    op.add_column("call_creation", sa.Column("variables", Json(), nullable=True))
    op.add_column("call", sa.Column("error_reason", sa.String(64), nullable=True))
    for column in _LISTED_BY:
        name = f"ix_call_customer_id_{column}_tm_create_id"
        op.create_index(name, "call", ["customer_id", column, "tm_create", "id"])
    _events()
    _placements()


def downgrade() -> None:
    op.drop_table("call_placement")
    op.drop_table("event")
    for column in _LISTED_BY:
        op.drop_index(f"ix_call_customer_id_{column}_tm_create_id", "call")
    op.drop_column("call", "error_reason")
    op.drop_column("call_creation", "variables")


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


def _placements() -> None:
    op.create_table(
        "call_placement",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("customer_id", Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("call_ids", Json(), nullable=False),
        sa.Column("temporary_flow_id", Uuid(), nullable=True),
        sa.Column("provider_ids", Json(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("rtp_debug", sa.Boolean(), nullable=False),
        sa.Column("dial_not_after", UtcDateTime(), nullable=False),
        sa.Column("traceparent", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("verdict", Json(), nullable=True),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_call_placement"),
        sa.UniqueConstraint(
            "customer_id", "idempotency_key", name="uq_call_placement_customer_id_idempotency_key"
        ),
    )
    op.create_index("ix_call_placement_status_id", "call_placement", ["status", "id"])
