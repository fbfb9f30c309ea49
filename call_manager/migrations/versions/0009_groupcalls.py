"""Groupcalls: what is stored of them, and which one a placement is to make."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0009"
down_revision = "0008"

_ALIVE = sa.text("tm_delete IS NULL")


def upgrade() -> None:
    op.create_table(
        "groupcall",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("customer_id", Uuid(), nullable=False),
        sa.Column("flow_id", Uuid(), nullable=True),
        sa.Column("source", Json(), nullable=True),
        sa.Column("destinations", Json(), nullable=False),
        sa.Column("call_ids", Json(), nullable=False),
        sa.Column("ring_method", sa.String(16), nullable=False),
        sa.Column("answer_method", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("answer_call_id", Uuid(), nullable=True),
        sa.Column("dial_index", sa.Integer(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_hangup", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_groupcall"),
    )
    op.create_index(
        "ix_groupcall_customer_id_tm_create_id",
        "groupcall",
        ["customer_id", "tm_create", "id"],
        sqlite_where=_ALIVE,
        postgresql_where=_ALIVE,
    )
    op.add_column("call_placement", sa.Column("groupcall_id", Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("call_placement", "groupcall_id")
    op.drop_table("groupcall")
