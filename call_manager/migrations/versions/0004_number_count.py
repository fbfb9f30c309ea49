"""How many numbers each customer has, those that are recorded already counted."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Uuid

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "number_count",
        sa.Column("customer_id", Uuid(), nullable=False),
        sa.Column("numbers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name="pk_number_count"),
    )
    op.execute(
        "INSERT INTO number_count (customer_id, numbers)"
        " SELECT customer_id, count(*) FROM number WHERE tm_delete IS NULL GROUP BY customer_id"
    )


def downgrade() -> None:
    op.drop_table("number_count")
