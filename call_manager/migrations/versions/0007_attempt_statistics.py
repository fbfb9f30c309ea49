"""What statistics count of an attempt: tests apart, carriers out of reach, and how audio was."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("media_flow", sa.String(16), nullable=True),
        sa.Column("mos", sa.Double(), nullable=True),
        sa.Column("loss_pct", sa.Double(), nullable=True),
        sa.Column("test", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("reached", sa.Boolean(), nullable=False, server_default=sa.true()),
    )


def upgrade() -> None:
    for column in _columns():
        op.add_column("call_attempt", column)
    op.execute(_MARK_TESTS)


def downgrade() -> None:
    for column in reversed(_columns()):
        op.drop_column("call_attempt", column.name)


# What a provider call placed names its provider in the call's metadata (contract section 3.8).
_MARK_TESTS = """
UPDATE call_attempt SET test = true
WHERE call_id IN (SELECT id FROM call WHERE CAST(metadata AS TEXT) LIKE '%"route_provider_ids"%')
"""
