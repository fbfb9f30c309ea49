"""A table of events, as each service's own revision makes it."""

import sqlalchemy as sa
from alembic import op

from mesh.database import UtcDateTime, Uuid

revision = "0001"
down_revision = None


def upgrade() -> None:
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


def downgrade() -> None:
    op.drop_table("event")
