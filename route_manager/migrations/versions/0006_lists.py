"""Indexes of the lists of routes and provider calls without what is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_LISTED_BY = {
    "route": ((), ("customer_id",), ("provider_id",)),
    "provider_call": ((), ("provider_id",), ("agent_id",)),
}


def upgrade() -> None:
    _replace(sa.text("tm_delete IS NULL"))


def downgrade() -> None:
    _replace(None)


def _replace(which: sa.TextClause | None) -> None:
    for table, lists in _LISTED_BY.items():
        for listed_by in lists:
            columns = [*listed_by, "tm_create", "id"]
            name = "_".join(["ix", table, *columns])
            op.drop_index(name, table)
            op.create_index(name, table, columns, sqlite_where=which, postgresql_where=which)
