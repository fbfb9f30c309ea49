"""Setups of providers at their carriers: what was made there, so that none of it is lost."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "provider_setup",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("carrier", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("objects", Json(), nullable=False),
        sa.Column("provider_id", Uuid(), nullable=True),
        sa.Column("error_reason", sa.String(64), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_setup")),
    )
    for columns in (["tm_create", "id"], ["status", "tm_create"]):
        op.create_index(op.f(f"ix_provider_setup_{'_'.join(columns)}"), "provider_setup", columns)


def downgrade() -> None:
    op.drop_table("provider_setup")
