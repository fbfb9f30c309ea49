"""What people are told of numbers and outbound configurations, and where customers may call."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0003"
down_revision = "0002"

_ALIVE = "tm_delete IS NULL"
_NUMBER = ("call_flow_id", "message_flow_id", "name", "detail", "tm_purchase")
_CONFIG = ("name", "detail", "destination_whitelist", "codecs", "everywhere")


def upgrade() -> None:
    for column in (
        sa.Column("call_flow_id", Uuid(), nullable=True),
        sa.Column("message_flow_id", Uuid(), nullable=True),
        _text("name", 255),
        _text("detail", 1024),
        sa.Column("tm_purchase", UtcDateTime(), nullable=True),
    ):
        op.add_column("number", column)
    _index("ix_number_alive", "number", ["number"], unique=True)
    _index("ix_number_listed", "number", ["customer_id", "tm_create", "id"])
    for column in (
        _text("name", 255),
        _text("detail", 1024),
        sa.Column("destination_whitelist", Json(), nullable=True),
        _text("codecs", 255),
        sa.Column("everywhere", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("outbound_config", column)
    _index("ix_outbound_config_listed", "outbound_config", ["tm_create", "id"])


def downgrade() -> None:
    op.drop_index("ix_outbound_config_listed", "outbound_config")
    for column in _CONFIG:
        op.drop_column("outbound_config", column)
    for index in ("ix_number_listed", "ix_number_alive"):
        op.drop_index(index, "number")
    for column in _NUMBER:
        op.drop_column("number", column)


def _text(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")


def _index(name: str, table: str, columns: list[str], *, unique: bool = False) -> None:
    alive = sa.text(_ALIVE)
    op.create_index(name, table, columns, unique=unique, sqlite_where=alive, postgresql_where=alive)
