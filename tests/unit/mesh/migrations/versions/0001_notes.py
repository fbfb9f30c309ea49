"""Create the notes."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "note",
        sa.Column("id", Uuid(), primary_key=True),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("facts", Json(), nullable=True),
        sa.UniqueConstraint("text", name="uq_note_text"),
    )


def downgrade() -> None:
    op.drop_table("note")
