"""Providers, routes, and the record of provider calls."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0001"
down_revision = None


def upgrade() -> None:
    _providers()
    _routes()
    _provider_calls()


def downgrade() -> None:
    for table in ("provider_call", "route", "provider"):
        op.drop_table(table)


def _stamps() -> list[sa.Column]:
    return [
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
    ]


def _uuid(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, Uuid(), nullable=nullable)


def _string(name: str, length: int, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _json(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, Json(), nullable=nullable)


def _provider_of(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["provider_id"], ["provider.id"], name=op.f(f"fk_{table}_provider_id")
    )


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _providers() -> None:
    op.create_table(
        "provider",
        _uuid("id"),
        _string("type", 16),
        _string("hostname", 255),
        _string("tech_prefix", 64),
        _string("tech_postfix", 255),
        _json("tech_headers"),
        _string("name", 255),
        _text("detail"),
        _json("metadata"),
        _string("codecs", 255),
        _string("sip_username", 128),
        _string("sip_password", 128),
        _string("health_status", 16),
        sa.Column("health_checked_at", UtcDateTime(), nullable=True),
        *_stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider")),
    )
    _index("provider", "tm_create", "id")


def _routes() -> None:
    op.create_table(
        "route",
        _uuid("id"),
        _uuid("customer_id"),
        _uuid("provider_id"),
        _string("name", 255),
        _text("detail"),
        sa.Column("priority", sa.Integer(), nullable=False),
        _string("target", 16),
        *_stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route")),
        _provider_of("route"),
    )
    _index("route", "tm_create", "id")
    _index("route", "customer_id", "tm_create", "id")
    _index("route", "customer_id", "target", "priority")


def _provider_calls() -> None:
    op.create_table(
        "provider_call",
        _uuid("id"),
        _uuid("customer_id"),
        _uuid("agent_id"),
        _uuid("provider_id"),
        _uuid("named_flow_id", nullable=True),
        _uuid("temporary_flow_id", nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        _string("idempotency_key", 255, nullable=True),
        _uuid("creation_id"),
        _json("call_ids"),
        sa.Column("dial_not_after", UtcDateTime(), nullable=False),
        _string("traceparent", 64),
        _string("request_id", 64),
        _json("snapshot"),
        _string("status", 16),
        _json("verdict", nullable=True),
        _json("placed", nullable=True),
        *_stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_call")),
        _provider_of("provider_call"),
        sa.UniqueConstraint(
            "customer_id",
            "idempotency_key",
            name=op.f("uq_provider_call_customer_id_idempotency_key"),
        ),
    )
    _index("provider_call", "tm_create", "id")
    _index("provider_call", "provider_id", "tm_create", "id")
    _index("provider_call", "status", "id")
