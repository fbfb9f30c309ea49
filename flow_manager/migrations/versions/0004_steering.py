"""Actions that steer a flow, what became of each action, and flows within flows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mesh.database import Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("activeflow", sa.Column("frames", Json(), nullable=True))
    op.add_column("activeflow", sa.Column("state", Json(), nullable=True))
    op.add_column("activeflow_step", sa.Column("action", Json(), nullable=True))
    op.add_column(
        "activeflow_step", sa.Column("error", sa.Text(), nullable=False, server_default="")
    )
