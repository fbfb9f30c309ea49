"""Index the notes by their order in lists."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("ix_note_tm_create_id", "note", ["tm_create", "id"])


def downgrade() -> None:
    op.drop_index("ix_note_tm_create_id")
