"""What was known of the customer when a provider call was asked for."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("provider_call", sa.Column("customer", Json(), nullable=True))


def downgrade() -> None:
    op.drop_column("provider_call", "customer")
