"""How a provider is reached: transport, port, proxy, certificates, timers, numbers, failover."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from mesh.database import Json

revision = "0007"
down_revision = "0006"


def _columns() -> tuple[sa.Column[Any], ...]:
    # What was stored before this was reached over UDP, and called by E.164 numbers.
    return (
        sa.Column("transport", sa.String(8), nullable=False, server_default="udp"),
        sa.Column("port", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("outbound_proxy", sa.String(255), nullable=False, server_default=""),
        sa.Column("tls_ca", sa.Text(), nullable=False, server_default=""),
        sa.Column("session_expires", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("number_format", sa.String(16), nullable=False, server_default="e164"),
        sa.Column("failover_codes", Json(), nullable=False, server_default="[]"),
        sa.Column("health_codes", Json(), nullable=False, server_default="[]"),
        sa.Column(
            "health_affects_routing", sa.Boolean(), nullable=False, server_default=sa.false()
        ),
        sa.Column("health_checks_paused", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def upgrade() -> None:
    for column in _columns():
        op.add_column("provider", column)


def downgrade() -> None:
    for column in reversed(_columns()):
        op.drop_column("provider", column.name)
