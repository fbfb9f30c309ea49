"""Money and caps: accounts, their movements, rates, what is in use; what calls say of them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0008"
down_revision = "0007"

_ALIVE = sa.text("tm_delete IS NULL")


def upgrade() -> None:
    for column in _call_columns():
        op.add_column("call", column)
    op.create_index("ix_call_groupcall_id", "call", ["groupcall_id"])
    op.add_column("outbound_config", _list("allowed_number_types"))
    _accounts()
    _usage()
    _billings()
    _rates()
    op.create_table(
        "dialing",
        sa.Column("id", sa.Integer(), autoincrement=False),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        _text("reason", 255),
        sa.Column("agent_id", Uuid(), nullable=True),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_dialing"),
    )
    # There from the start: a row that is not there cannot be held against whoever switches.
    op.execute("INSERT INTO dialing (id, enabled, reason) VALUES (1, true, '')")


def downgrade() -> None:
    for table in ("dialing", "rate", "billing", "number_usage", "provider_usage"):
        op.drop_table(table)
    op.drop_table("billing_account")
    op.drop_column("outbound_config", "allowed_number_types")
    op.drop_index("ix_call_groupcall_id", "call")
    for column in reversed(_call_columns()):
        op.drop_column("call", column.name)


def _call_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("groupcall_id", Uuid(), nullable=True),
        sa.Column("early_execution", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("duration_max_s", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("slot_provider_id", Uuid(), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("cost", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("recording_id", Uuid(), nullable=True),
        _list("recording_ids"),
    )


def _accounts() -> None:
    op.create_table(
        "billing_account",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("customer_id", Uuid(), nullable=False),
        _text("plan_type", 16),
        _text("status", 16),
        _amount("balance"),
        _amount("reserved"),
        _count("calls_per_second"),
        _count("calls_at_once"),
        _count("duration_max_s"),
        sa.Column("daily_spend", sa.BigInteger(), nullable=True),
        _count("calls_per_number"),
        _count("live_calls"),
        _amount("next_call_us"),
        _text("spend_day", 10),
        _amount("spent"),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_billing_account"),
        sa.UniqueConstraint("customer_id", name="uq_billing_account_customer_id"),
    )
    op.create_index("ix_billing_account_tm_create_id", "billing_account", ["tm_create", "id"])


def _usage() -> None:
    op.create_table(
        "provider_usage",
        sa.Column("provider_id", Uuid(), nullable=False),
        _count("live_calls"),
        _amount("next_call_us"),
        sa.PrimaryKeyConstraint("provider_id", name="pk_provider_usage"),
    )
    op.create_table(
        "number_usage",
        sa.Column("customer_id", Uuid(), nullable=False),
        _text("day", 10),
        _text("number", 32),
        _count("calls"),
        sa.PrimaryKeyConstraint("customer_id", "day", "number", name="pk_number_usage"),
    )


def _billings() -> None:
    op.create_table(
        "billing",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("account_id", Uuid(), nullable=False),
        sa.Column("customer_id", Uuid(), nullable=False),
        _text("transaction_type", 16),
        _amount("amount"),
        _amount("reserved_amount"),
        _amount("balance_after"),
        _amount("reserved_after"),
        _text("reference_type", 16),
        sa.Column("reference_id", Uuid(), nullable=False),
        sa.Column("provider_id", Uuid(), nullable=True),
        _text("number", 32),
        _amount("price_per_minute"),
        _amount("price_minimum"),
        _count("increment_s"),
        _count("duration_s"),
        _count("billed_s"),
        _text("detail", 255),
        sa.Column("agent_id", Uuid(), nullable=True),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_billing"),
        sa.UniqueConstraint(
            "reference_id", "transaction_type", name="uq_billing_reference_id_transaction_type"
        ),
    )
    columns = ["customer_id", "tm_create", "id"]
    op.create_index("ix_billing_customer_id_tm_create_id", "billing", columns)


def _rates() -> None:
    op.create_table(
        "rate",
        sa.Column("id", Uuid(), nullable=False),
        sa.Column("provider_id", Uuid(), nullable=False),
        _text("prefix", 16),
        _text("name", 255),
        _amount("price_per_minute"),
        _amount("price_minimum"),
        _count("increment_s"),
        sa.Column("tm_create", UtcDateTime(), nullable=False),
        sa.Column("tm_update", UtcDateTime(), nullable=True),
        sa.Column("tm_delete", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rate"),
    )
    _alive("ix_rate_provider_id_prefix", ["provider_id", "prefix"], unique=True)
    _alive("ix_rate_tm_create_id", ["tm_create", "id"])


def _alive(name: str, columns: list[str], *, unique: bool = False) -> None:
    op.create_index(
        name, "rate", columns, unique=unique, sqlite_where=_ALIVE, postgresql_where=_ALIVE
    )


def _text(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _amount(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _list(name: str) -> sa.Column[Any]:
    return sa.Column(name, Json(), nullable=False, server_default="[]")
