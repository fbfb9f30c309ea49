"""What every resource of accounts converts alike. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import FieldViolation, InvalidArgument


class Stamped(Protocol):
    """What was created at a time, and perhaps changed and deleted since."""

    @property
    def tm_create(self) -> datetime:
        """When it was created."""
        ...

    @property
    def tm_update(self) -> datetime | None:
        """When it last changed."""
        ...

    @property
    def tm_delete(self) -> datetime | None:
        """When it was deleted."""
        ...


def stamps(stamped: Stamped) -> dict[str, Timestamp | None]:
    """Return the three times as fields of a message."""
    return {
        "tm_create": timestamp(stamped.tm_create),
        "tm_update": timestamp(stamped.tm_update),
        "tm_delete": timestamp(stamped.tm_delete),
    }


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return a time as a message; None stays unset."""
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def masked(request: Message, mask: FieldMask, columns: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the values that an update names, by column; `columns` are those of the fields.

    Raises InvalidArgument, naming each, when the mask names other fields.
    """
    strangers = [path for path in mask.paths if path not in columns]
    if strangers:
        raise InvalidArgument(
            f"The update mask may name {', '.join(sorted(columns))}.",
            violations=[
                FieldViolation(path[:64], "This field cannot be changed.") for path in strangers
            ],
        )
    return {columns[path]: getattr(request, path) for path in mask.paths}
