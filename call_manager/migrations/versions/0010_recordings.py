"""Recordings: what they are, and their audio."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from mesh.database import UtcDateTime, Uuid

revision = "0010"
down_revision = "0009"

_ALIVE = sa.text("tm_delete IS NULL")


def upgrade() -> None:
    op.create_table(
        "recording",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("customer_id", Uuid(), nullable=False),
        sa.Column("reference_type", sa.String(16), nullable=False),
        sa.Column("reference_id", Uuid(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        _time("tm_start", nullable=False),
        _time("tm_end"),
        _time("tm_create", nullable=False),
        _time("tm_update"),
        _time("tm_delete"),
        sa.PrimaryKeyConstraint("id", name="pk_recording"),
    )
    op.create_index("ix_recording_reference_id", "recording", ["reference_id"])
    op.create_index(
        "ix_recording_customer_id_tm_create_id",
        "recording",
        ["customer_id", "tm_create", "id"],
        sqlite_where=_ALIVE,
        postgresql_where=_ALIVE,
    )
    op.create_table(
        "recording_chunk",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True),
        sa.Column("recording_id", Uuid(), nullable=False),
        sa.Column("chunk", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_recording_chunk"),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recording.id"], name="fk_recording_chunk_recording_id"
        ),
    )
    op.create_index(
        "ix_recording_chunk_recording_id_seq", "recording_chunk", ["recording_id", "seq"]
    )


def downgrade() -> None:
    op.drop_table("recording_chunk")
    op.drop_table("recording")


def _time(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, UtcDateTime(), nullable=nullable)
