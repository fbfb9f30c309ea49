"""Secrets of providers, sealed; which headers an administrator declares secret.

What is there stays readable as it is until the service, which has the key, seals it at its start:
until then `sealed_by` is null.
"""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json

revision = "0002"
down_revision = "0001"

_SECRETS = ("tech_headers", "sip_password")


def upgrade() -> None:
    """Widen what will hold sealed values; a column's type is changed by taking its place."""
    op.add_column(
        "provider", sa.Column("secret_headers", Json(), nullable=False, server_default="[]")
    )
    op.add_column("provider", sa.Column("sealed_by", sa.String(16), nullable=True))
    for name in _SECRETS:
        wide = f"{name}_wide"
        op.add_column("provider", sa.Column(wide, sa.Text(), nullable=False, server_default=""))
        op.execute(f"UPDATE provider SET {wide} = CAST({name} AS TEXT)")  # noqa: S608
        op.drop_column("provider", name)
        op.alter_column("provider", wide, new_column_name=name)


def downgrade() -> None:
    """Refuse: without the key, what is sealed cannot be made readable again."""
    raise NotImplementedError("sealed secrets cannot be unsealed by a migration")
