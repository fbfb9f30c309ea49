"""Flows that run when others are over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mesh.database import Uuid

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("flow", sa.Column("on_complete_flow_id", Uuid(), nullable=True))
    for column in (
        sa.Column("on_complete_flow_id", Uuid(), nullable=True),
        sa.Column("reference_activeflow_id", Uuid(), nullable=True),
        sa.Column("complete_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("on_complete_skipped", sa.String(64), nullable=False, server_default=""),
    ):
        op.add_column("activeflow", column)
