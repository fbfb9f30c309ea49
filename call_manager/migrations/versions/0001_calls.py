"""Calls, their attempts and messages, and what a call's source is checked against."""

import sqlalchemy as sa
from alembic import op

from mesh.database import Json, UtcDateTime, Uuid

revision = "0001"
down_revision = None


def upgrade() -> None:
    _numbers()
    _creations()
    _calls()
    _attempts()
    _messages()


def downgrade() -> None:
    for table in (
        "sip_message", "call_attempt", "call", "call_creation", "outbound_config", "number",
    ):  # fmt: skip
        op.drop_table(table)


def _time(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, UtcDateTime(), nullable=nullable)


def _uuid(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, Uuid(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _string(name: str, length: int, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _integer(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _json(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, Json(), nullable=nullable)


def _life() -> list[sa.Column]:
    return [_time("tm_create", nullable=False), _time("tm_update"), _time("tm_delete")]


def _numbers() -> None:
    op.create_table(
        "number",
        _uuid("id"),
        _uuid("customer_id"),
        _string("number", 16),
        _string("type", 16),
        _string("status", 16),
        *_life(),
        sa.PrimaryKeyConstraint("id", name="pk_number"),
    )
    op.create_index("ix_number_customer_id_number", "number", ["customer_id", "number"])
    op.create_table(
        "outbound_config",
        _uuid("id"),
        _uuid("customer_id"),
        _uuid("default_outgoing_source_number_id", nullable=True),
        *_life(),
        sa.PrimaryKeyConstraint("id", name="pk_outbound_config"),
    )
    alive = sa.text("tm_delete IS NULL")
    op.create_index(
        "ix_outbound_config_customer_id",
        "outbound_config",
        ["customer_id"],
        unique=True,
        sqlite_where=alive,
        postgresql_where=alive,
    )


def _creations() -> None:
    op.create_table(
        "call_creation",
        _uuid("id"),
        _uuid("customer_id", nullable=True),
        _string("fingerprint", 64, nullable=True),
        sa.Column("voided", sa.Boolean(), nullable=False),
        _json("outcomes"),
        _time("tm_create", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_call_creation"),
    )


def _calls() -> None:
    op.create_table(
        "call",
        _uuid("id"),
        _uuid("creation_id"),
        _integer("position"),
        _uuid("customer_id"),
        _uuid("flow_id", nullable=True),
        _uuid("activeflow_id", nullable=True),
        _json("source"),
        _json("destination"),
        _string("anonymous", 8),
        _json("metadata"),
        _string("status", 16),
        _string("hangup_by", 16, nullable=True),
        _string("hangup_reason", 16, nullable=True),
        _text("hangup_detail"),
        _integer("hangup_cause", nullable=True),
        _time("hangup_requested_at"),
        _uuid("provider_id", nullable=True),
        _integer("sip_code"),
        _text("sip_reason"),
        _json("current_action", nullable=True),
        _json("dialroutes"),
        _time("dial_not_after", nullable=False),
        _string("dial_state", 16),
        _string("owner", 64, nullable=True),
        _string("traceparent", 64),
        _string("request_id", 64),
        _time("tm_progressing"),
        _time("tm_ringing"),
        _time("tm_hangup"),
        *_life(),
        sa.PrimaryKeyConstraint("id", name="pk_call"),
        sa.ForeignKeyConstraint(["creation_id"], ["call_creation.id"], name="fk_call_creation_id"),
        sa.UniqueConstraint("creation_id", "position", name="uq_call_creation_id_position"),
    )
    op.create_index("ix_call_customer_id_tm_create_id", "call", ["customer_id", "tm_create", "id"])
    op.create_index("ix_call_dial_state_tm_create", "call", ["dial_state", "tm_create"])


def _attempts() -> None:
    op.create_table(
        "call_attempt",
        _uuid("id"),
        _uuid("call_id"),
        _integer("sequence"),
        _uuid("provider_id", nullable=True),
        _string("state", 16),
        _json("dial_config"),
        _text("sip_call_id"),
        _text("branch"),
        _text("from_tag"),
        _integer("cseq"),
        _text("local_address"),
        _text("remote_address"),
        _text("request_uri"),
        _text("from_header"),
        _text("to_header"),
        _text("dialog_to_header", nullable=True),
        _text("remote_target", nullable=True),
        _json("route_set", nullable=True),
        _integer("local_cseq", nullable=True),
        _text("codec"),
        _integer("sip_code", nullable=True),
        _text("sip_reason"),
        _time("tm_invite", nullable=False),
        _time("tm_trying"),
        _time("tm_ringing"),
        _time("tm_answered"),
        _time("tm_end"),
        sa.PrimaryKeyConstraint("id", name="pk_call_attempt"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="fk_call_attempt_call_id"),
        sa.UniqueConstraint("call_id", "sequence", name="uq_call_attempt_call_id_sequence"),
    )
    op.create_index("ix_call_attempt_state", "call_attempt", ["state"])


def _messages() -> None:
    op.create_table(
        "sip_message",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True),
        _uuid("call_id"),
        _time("at", nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
        _text("method"),
        _text("local_address"),
        _text("remote_address"),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_sip_message"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="fk_sip_message_call_id"),
    )
    op.create_index("ix_sip_message_call_id_seq", "sip_message", ["call_id", "seq"])
