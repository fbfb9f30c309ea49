"""What providers take of our calls, and the hosts where they are."""

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

from mesh.database import Uuid
from mesh.hosts import comparable, host_of, port_of

revision = "0009"
down_revision = "0008"

_CAPS = ("calls_per_second", "calls_at_once", "duration_max")


def upgrade() -> None:
    for name in _CAPS:
        op.add_column("provider", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    table = op.create_table(
        "provider_host",
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("provider_id", Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("host", "port", "provider_id", name=op.f("pk_provider_host")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["provider.id"], name=op.f("fk_provider_host_provider_id")
        ),
    )
    op.create_index(op.f("ix_provider_host_provider_id"), "provider_host", ["provider_id"])
    hosts = _stored_hosts()
    if hosts:
        op.bulk_insert(table, hosts)


def downgrade() -> None:
    op.drop_table("provider_host")
    for name in reversed(_CAPS):
        op.drop_column("provider", name)


def _stored_hosts() -> list[dict[str, Any]]:
    provider = sa.table(
        "provider",
        sa.column("id", Uuid()),
        *(sa.column(name) for name in ("hostname", "port", "transport")),
        *(sa.column(name) for name in ("outbound_proxy", "tech_postfix")),
    )
    found: set[tuple[str, int, uuid.UUID]] = set()
    for row in op.get_bind().execute(sa.select(provider)).mappings():
        usual = 5061 if row["transport"] == "tls" else 5060
        domain = row["tech_postfix"].partition("@")[2]
        ports = {row["hostname"]: row["port"] or usual}
        for authority in {row["hostname"], row["outbound_proxy"], domain}:
            host = host_of(authority)
            if host is not None:
                port = port_of(authority) or ports.get(authority, usual)
                found.add((comparable(host), port, row["id"]))
    return [{"host": host, "port": port, "provider_id": of} for host, port, of in sorted(found)]
