"""The tables of audio files."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, text
from sqlmodel import Field

from call_manager.tables import Table
from mesh.database import UtcDateTime, Uuid

_ALIVE = text("tm_delete IS NULL")


class AudioFileRow(Table, table=True):
    """One customer's audio file."""

    __tablename__ = "audio_file"
    __table_args__ = (
        Index(
            "ix_audio_file_listed",
            "customer_id",
            "tm_create",
            "id",
            sqlite_where=_ALIVE,
            postgresql_where=_ALIVE,
        ),
    )

    id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid(), nullable=False))
    name: str = Field(sa_column=Column(String(255), nullable=False))
    duration_ms: int = Field(sa_column=Column(Integer(), nullable=False))
    size: int = Field(sa_column=Column(Integer(), nullable=False))
    sample_rate: int = Field(sa_column=Column(Integer(), nullable=False))
    channels: int = Field(sa_column=Column(Integer(), nullable=False))
    tm_create: datetime = Field(sa_column=Column(UtcDateTime(), nullable=False))
    tm_update: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))
    tm_delete: datetime | None = Field(default=None, sa_column=Column(UtcDateTime()))


class AudioFileContentRow(Table, table=True):
    """What a file holds, as it came; gone when the file is deleted. No list reads it."""

    __tablename__ = "audio_file_content"

    audio_file_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    content: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))


class AudioFileUsageRow(Table, table=True):
    """How many files a customer has, and their bytes; deleted ones are not counted."""

    __tablename__ = "audio_file_usage"

    customer_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True))
    files: int = Field(sa_column=Column(Integer(), nullable=False, server_default="0"))
    octets: int = Field(sa_column=Column(BigInteger(), nullable=False, server_default="0"))
