"""Parts of requests that several resources read alike. Pure."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from mesh.clock import ZERO_ID
from mesh.errors import InvalidArgument


def optional_id(stated: str) -> UUID | None:
    """Return the id, or None when it is unset: empty, or the all-zero UUID of REST."""
    found = UUID(stated) if stated else ZERO_ID
    return None if found == ZERO_ID else found


def text(field: str, stated: str) -> str:
    """Return a text that can be stored; raises InvalidArgument."""
    # PostgreSQL keeps no NUL in a text, and no reader misses it.
    if "\0" in stated:
        raise InvalidArgument(f"The {field} has a NUL character.", field=field)
    return stated


def masked(mask: FieldMask, changeable: Collection[str]) -> frozenset[str]:
    """Return what an update mask names; raises InvalidArgument when that cannot be changed."""
    named = frozenset(mask.paths)
    for path in sorted(named.difference(changeable)):
        allowed = ", ".join(sorted(changeable))
        raise InvalidArgument(
            f"The update mask names {path[:64]!r}; it may name {allowed}.", field="update_mask"
        )
    return named
