"""Secrets of providers, sealed; which headers an administrator declares secret."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change nothing yet."""


def downgrade() -> None:
    """Change nothing yet."""
