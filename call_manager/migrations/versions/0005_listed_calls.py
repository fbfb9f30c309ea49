"""Indexes of the lists of calls without what is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_LISTED_BY = (("customer_id",), ("customer_id", "status"), ("customer_id", "provider_id"))


def upgrade() -> None:
    _replace(sa.text("tm_delete IS NULL"))


def downgrade() -> None:
    _replace(None)


def _replace(which: sa.TextClause | None) -> None:
    for listed_by in _LISTED_BY:
        columns = [*listed_by, "tm_create", "id"]
        name = "_".join(["ix_call", *columns])
        op.drop_index(name, "call")
        op.create_index(name, "call", columns, sqlite_where=which, postgresql_where=which)
