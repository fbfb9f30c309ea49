"""Access keys, delegations, closures, and user names that a deleted agent gives back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _widen_accounts()
    _create_access_keys()
    op.create_table(
        "delegation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_expire", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegation")),
    )


def _widen_accounts() -> None:
    detail = sa.Column("detail", sa.String(1024), nullable=False, server_default="")
    op.add_column("customer", detail)
    op.add_column(
        "customer",
        sa.Column("rtp_debug", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("customer", sa.Column("tm_frozen", UtcDateTime(), nullable=True))
    _index_living("ix_customer_listed", "customer", "tm_create", "id")
    # SQLite drops a constraint only by writing the table anew.
    with op.batch_alter_table("agent") as agent:
        agent.drop_constraint("uq_agent_username", type_="unique")
        agent.drop_index("ix_agent_customer_id")
        agent.add_column(sa.Column("name", sa.String(255), nullable=False, server_default=""))
        agent.add_column(sa.Column("detail", sa.String(1024), nullable=False, server_default=""))
        agent.add_column(
            sa.Column("token_generation", sa.Integer(), nullable=False, server_default="0")
        )
    _index_living("ix_agent_listed", "agent", "customer_id", "tm_create", "id")
    _index_living("ix_agent_username", "agent", "username", unique=True)


def _create_access_keys() -> None:
    op.create_table(
        "access_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("detail", sa.String(1024), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("token_prefix", sa.String(11), nullable=False),
        sa.Column("permissions", sa.Integer(), nullable=False),
        sa.Column("rpcs", Json(), nullable=False),
        sa.Column("provider_ids", Json(), nullable=False),
        sa.Column("calls_per_day", sa.Integer(), nullable=True),
        sa.Column("tm_expire", UtcDateTime(), nullable=False),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_key")),
        sa.UniqueConstraint("digest", name=op.f("uq_access_key_digest")),
    )
    _index_living("ix_access_key_listed", "access_key", "customer_id", "tm_create", "id")
    op.create_table(
        "access_key_calls",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_access_key_calls")),
    )


def _index_living(name: str, table: str, *columns: str, unique: bool = False) -> None:
    living = sa.text("tm_delete IS NULL")
    op.create_index(
        name,
        table,
        list(columns),
        unique=unique,
        sqlite_where=living,
        postgresql_where=living,
    )
