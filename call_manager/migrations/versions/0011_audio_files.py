"""Audio files: what is known of them, what they hold, and how many a customer has."""

import sqlalchemy as sa
from alembic import op

from mesh.database import UtcDateTime, Uuid

revision = "0011"
down_revision = "0010"

_ALIVE = sa.text("tm_delete IS NULL")


def upgrade() -> None:
    op.create_table(
        "audio_file",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("customer_id", Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audio_file"),
    )
    op.create_index(
        "ix_audio_file_listed",
        "audio_file",
        ["customer_id", "tm_create", "id"],
        sqlite_where=_ALIVE,
        postgresql_where=_ALIVE,
    )
    op.create_table(
        "audio_file_content",
        sa.Column("audio_file_id", Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("audio_file_id", name="pk_audio_file_content"),
    )
    op.create_table(
        "audio_file_usage",
        sa.Column("customer_id", Uuid(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("octets", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("customer_id", name="pk_audio_file_usage"),
    )


def downgrade() -> None:
    for table in ("audio_file_usage", "audio_file_content", "audio_file"):
        op.drop_table(table)
