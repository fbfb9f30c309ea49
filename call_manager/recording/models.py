"""The tables of recordings: what they are, and their audio."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, text
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import UtcDateTime, Uuid

_ALIVE = text("tm_delete IS NULL")


class RecordingRow(Table, table=True):
    """One recording."""

    __tablename__ = "recording"
    __table_args__ = (
        Index(
            "ix_recording_customer_id_tm_create_id",
            "customer_id",
            "tm_create",
            "id",
            sqlite_where=_ALIVE,
            postgresql_where=_ALIVE,
        ),
        Index(None, "reference_id"),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    reference_type: str = Field(sa_column=Column(String(16), nullable=False))
    """`call`."""
    reference_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    """The call."""
    status: str = Field(sa_column=Column(String(16), nullable=False))
    """`domain.RecordingStatus`."""
    format: str = Field(sa_column=Column(String(8), nullable=False))
    octets: int = Field(sa_column=Column(BigInteger(), nullable=False))
    """The octets of its chunks once it has ended; 0 until then."""
    tm_start: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_end: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class RecordingChunkRow(Table, table=True):
    """Some of a recording's audio, in order."""

    __tablename__ = "recording_chunk"
    __table_args__ = (Index(None, "recording_id", "seq"),)

    seq: int | None = Field(
        default=None,
        # SQLite numbers rows by itself only when the key is exactly INTEGER.
        sa_column=Column(
            BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
    )
    recording_id: UUID = Field(sa_column=Column(Uuid(), ForeignKey("recording.id"), nullable=False))
    chunk: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    """PCMU: first what was heard, then what was said meanwhile, as many octets of each."""
