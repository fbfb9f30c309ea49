"""Events, variables, and calls that a customer asked for."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change nothing yet."""


def downgrade() -> None:
    """Change nothing yet."""
