"""Routes by provider, provider calls by agent, and the wish to hang up all calls of one."""

import sqlalchemy as sa
from alembic import op

from mesh.database import UtcDateTime

revision = "0003"
down_revision = "0002"

_INDEXES = (("route", "provider_id"), ("provider_call", "agent_id"))


def upgrade() -> None:
    op.add_column("provider_call", sa.Column("tm_hangup", UtcDateTime(), nullable=True))
    for table, column in _INDEXES:
        name = op.f(f"ix_{table}_{column}_tm_create_id")
        op.create_index(name, table, [column, "tm_create", "id"])


def downgrade() -> None:
    for table, column in _INDEXES:
        op.drop_index(op.f(f"ix_{table}_{column}_tm_create_id"), table_name=table)
    op.drop_column("provider_call", "tm_hangup")
