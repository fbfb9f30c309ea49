"""Lists in pages: newest first, by the row value `(tm_create, id)`, so that no row is skipped.

A page costs the same wherever it is (GATEWAY.md section C), and rows that share a microsecond
are told apart by their id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import RowMapping, Select, literal, tuple_

from mesh.clock import ZERO_ID
from mesh.errors import PageSizeInvalid, PageTokenInvalid

M = TypeVar("M", bound=Message)

PAGE_SIZE_DEFAULT: Final = 100
"""The page size when the client asks for none (0)."""

PAGE_SIZE_MAX: Final = 100
"""The largest page; a larger wish is cut to it (contract section 1.8)."""

PAGE_BYTES_MAX: Final = 512 * 1024
"""What the items of a page take at most, unless one alone is larger: one message of the mesh
holds 1 MiB."""

_TOKEN: Final = struct.Struct(">Bq16s8s")
_TOKEN_VERSION: Final = 1
_TOKEN_CHARACTERS_MAX: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page starts: strictly after this row, in the order newest first."""

    tm_create: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Times:
    """When what a list shows was created; None: without an end on that side."""

    since: datetime | None = None
    """The first moment that counts."""
    before: datetime | None = None
    """The first moment after it."""


class Listed(Protocol):
    """What a list is made of."""

    @property
    def tm_create(self) -> datetime:
        """When it was created."""
        ...

    @property
    def id(self) -> UUID:
        """Its id."""
        ...


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A wish for one page, checked."""

    limit: int
    after: Cursor | None
    fingerprint: bytes

    @classmethod
    def parse(
        cls,
        page_size: int,
        page_token: str,
        filters: Mapping[str, Any] | None = None,
        *,
        size_max: int = PAGE_SIZE_MAX,
    ) -> PageRequest:
        """Check a list request's page fields.

        `page_size` 0 means 100, more than `size_max` means `size_max`. `page_token` is a token of
        ours made under the same `filters`, or a time stamp `YYYY-MM-DDTHH:MM:SS.ffffffZ`:
        strictly older than that (contract section 7). Raises PageSizeInvalid, PageTokenInvalid.
        """
        if page_size < 0:
            raise PageSizeInvalid(
                "The page size is negative.", field="page_size", page_size=str(page_size)
            )
        fingerprint = filter_fingerprint(filters or {})
        after = _read_token(page_token, fingerprint) if page_token else None
        return cls(min(page_size or PAGE_SIZE_DEFAULT, size_max), after, fingerprint)

    def within(self, statement: Select[Any], table: Any, times: Times) -> Select[Any]:
        """Return the page of those rows that were created within `times`; see `page`."""
        after = self.after
        if times.before is not None:
            # Both are upper ends, and an engine that is given two may begin at the wrong one.
            end = Cursor(times.before, ZERO_ID)
            after = end if after is None else min(after, end, key=astuple)
        if times.since is not None:
            columns = getattr(table, "__table__", table).c
            begin = _row_value(columns, Cursor(times.since, ZERO_ID))
            statement = statement.where(tuple_(columns.tm_create, columns.id) >= begin)
        return page(statement, table, replace(self, after=after))

    def split(self, rows: Sequence[RowMapping]) -> tuple[Sequence[RowMapping], str]:
        """Split what `page` selected into the page's rows and the next page's token.

        The token is empty exactly when no further row exists. Rows need `tm_create` and `id`.
        """
        if len(rows) <= self.limit:
            return rows, ""
        last = rows[self.limit - 1]
        return rows[: self.limit], self.token(Cursor(last["tm_create"], last["id"]))

    def fit(
        self, shown: Sequence[M], rows: Sequence[Listed], token: str
    ) -> tuple[Sequence[M], str]:
        """Cut a page to what one message holds; the next page goes on where it was cut.

        `shown` are the items as they are answered, `rows` what they were made of, and `token` the
        next page's without a cut. At least one item stays.
        """
        size = 0
        for at, item in enumerate(shown):
            size += item.ByteSize()
            if at and size > PAGE_BYTES_MAX:
                last = rows[at - 1]
                return shown[:at], self.token(Cursor(last.tm_create, last.id))
        return shown, token

    def token(self, cursor: Cursor) -> str:
        """Return the opaque token of the page after `cursor`, bound to this list's filters."""
        micros = (cursor.tm_create - _EPOCH) // timedelta(microseconds=1)
        packed = _TOKEN.pack(_TOKEN_VERSION, micros, cursor.id.bytes, self.fingerprint)
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def page(statement: Select[Any], table: Any, request: PageRequest) -> Select[Any]:
    """Narrow a select to one page, newest first, plus one row that tells whether more exist.

    `table` is the model or table whose columns `tm_create` and `id` order the list. Give the
    rows to `request.split`.
    """
    columns = getattr(table, "__table__", table).c
    if request.after is not None:
        after = _row_value(columns, request.after)
        # The row value, never `a < ? OR (a = ? AND b < ?)`: that form scans (GATEWAY.md C).
        statement = statement.where(tuple_(columns.tm_create, columns.id) < after)
    return statement.order_by(columns.tm_create.desc(), columns.id.desc()).limit(request.limit + 1)


def _row_value(columns: Any, cursor: Cursor) -> Any:
    return tuple_(
        literal(cursor.tm_create, columns.tm_create.type), literal(cursor.id, columns.id.type)
    )


def filter_fingerprint(filters: Mapping[str, Any]) -> bytes:
    """Return eight bytes that stand for a list's filters, whatever their order."""
    text = json.dumps({key: str(value) for key, value in filters.items()}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).digest()[:8]


def _read_token(token: str, fingerprint: bytes) -> Cursor:
    try:
        if _TIME_STAMP.fullmatch(token):
            # No id sorts below the zero id, so every row of that microsecond stays out.
            return Cursor(datetime.fromisoformat(token), ZERO_ID)
        cursor, made_for = _unpack(token)
    except (ValueError, OverflowError, binascii.Error, struct.error) as error:
        raise PageTokenInvalid("The page token is not ours.", field="page_token") from error
    if made_for != fingerprint:
        raise PageTokenInvalid(
            "The page token was made for a list with other filters.", field="page_token"
        )
    return cursor


def _unpack(token: str) -> tuple[Cursor, bytes]:
    if len(token) > _TOKEN_CHARACTERS_MAX:
        raise ValueError("too long")
    padded = token.encode("ascii") + b"=" * (-len(token) % 4)
    packed = base64.b64decode(padded, altchars=b"-_", validate=True)
    version, micros, row_id, made_for = _TOKEN.unpack(packed)
    if version != _TOKEN_VERSION:
        raise ValueError("another version")
    return Cursor(_EPOCH + timedelta(microseconds=micros), UUID(bytes=row_id)), made_for
