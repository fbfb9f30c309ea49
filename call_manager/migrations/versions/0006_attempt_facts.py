"""What an attempt met on the wire: transport, DNS, TLS, causes, delays and audio; captured RTP."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0006"
down_revision = "0005"


def _attempt_columns() -> tuple[sa.Column[Any], ...]:
    # What was stored before this went over UDP, by the call's only leg.
    return (
        sa.Column("leg", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("transport", sa.String(8), nullable=False, server_default="udp"),
        sa.Column("dns", Json(), nullable=False, server_default="[]"),
        sa.Column("continued", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("tm_first_response", UtcDateTime(), nullable=True),
        sa.Column("tm_early_media", UtcDateTime(), nullable=True),
        sa.Column("pdd_ms", sa.Integer(), nullable=True),
        sa.Column("q850_cause", sa.Integer(), nullable=True),
        sa.Column("q850_text", sa.Text(), nullable=True),
        sa.Column("tls", Json(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("media", Json(), nullable=True),
    )


def upgrade() -> None:
    for column in _attempt_columns():
        op.add_column("call_attempt", column)
    op.create_index(
        "ix_call_attempt_provider_id_tm_invite", "call_attempt", ["provider_id", "tm_invite"]
    )
    op.add_column(
        "sip_message", sa.Column("transport", sa.String(8), nullable=False, server_default="udp")
    )
    op.create_table(
        "rtp_capture",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True),
        sa.Column("call_id", Uuid(), nullable=False),
        sa.Column("chunk", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_rtp_capture"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="fk_rtp_capture_call_id"),
    )
    op.create_index("ix_rtp_capture_call_id_seq", "rtp_capture", ["call_id", "seq"])


def downgrade() -> None:
    op.drop_table("rtp_capture")
    op.drop_column("sip_message", "transport")
    op.drop_index("ix_call_attempt_provider_id_tm_invite", "call_attempt")
    for column in reversed(_attempt_columns()):
        op.drop_column("call_attempt", column.name)
