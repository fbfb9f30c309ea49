"""The groupcall that a provider call's calls are."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Uuid

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("provider_call", sa.Column("groupcall_id", Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("provider_call", "groupcall_id")
