"""Conversions that all resources of this service share."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import FieldViolation, InvalidArgument


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return the time as a Timestamp; None stays unset."""
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def optional_uuid(text: str) -> UUID | None:
    """Read a UUID that may be unset."""
    return UUID(text) if text else None


def uuid_text(value: UUID | None) -> str:
    """Write a UUID; None is unset."""
    return "" if value is None else str(value)


def masked_fields(mask: FieldMask, allowed: Collection[str]) -> list[str]:
    """Return the fields that an update names.

    Raises InvalidArgument, naming each, when some are not `allowed`.
    """
    strangers = [path for path in mask.paths if path not in allowed]
    if strangers:
        raise InvalidArgument(
            "The update mask names fields that cannot be changed.",
            violations=[
                FieldViolation(path, "This field cannot be changed.") for path in strangers
            ],
        )
    return list(dict.fromkeys(mask.paths))


def refuse_null_characters(texts: Iterable[tuple[str, str]]) -> None:
    """Raise InvalidArgument when one of the texts, each after its field's path, holds U+0000.

    PostgreSQL stores no such text (its manual, section 8.3), and nobody can mean one.
    """
    violations = [
        FieldViolation(path, "The text holds the character U+0000.")
        for path, text in texts
        if "\0" in text
    ]
    if violations:
        raise InvalidArgument("A text holds the character U+0000.", violations=violations)
