from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import RowMapping, insert, select, text
from sqlalchemy.dialects import sqlite

from mesh.clock import ZERO_ID
from mesh.database import Database, Transaction
from mesh.errors import PageSizeInvalid, PageTokenInvalid
from mesh.pagination import PAGE_BYTES_MAX, Cursor, PageRequest, Times, page
from tests.support.notes import NOTES, Note, a_note

SHARED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


async def add(database: Database, *notes: dict[str, Any]) -> None:
    async def work(tx: Transaction) -> None:
        await tx.run(insert(NOTES), notes)

    await database.transact(work, name="add")


async def read_page(database: Database, request: PageRequest) -> tuple[list[str], str]:
    async def work(tx: Transaction) -> Any:
        return await tx.all(page(select(NOTES), Note, request))

    rows: list[RowMapping] = await database.read(work, name="page")
    shown, token = request.split(rows)
    return [row["text"] for row in shown], token


async def read_all(database: Database, size: int) -> list[list[str]]:
    pages, token = [], ""
    while True:
        texts, token = await read_page(database, PageRequest.parse(size, token))
        pages.append(texts)
        if not token:
            return pages


@pytest.mark.parametrize(("asked", "given_size"), [(0, 100), (1, 1), (100, 100), (101, 100)])
def test_a_page_size_is_cut_to_the_limit(asked: int, given_size: int) -> None:
    assert PageRequest.parse(asked, "").limit == given_size


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(PageSizeInvalid) as caught:
        PageRequest.parse(-1, "")
    assert caught.value.metadata == {"page_size": "-1"}
    assert caught.value.violations[0].field == "page_size"


async def test_rows_of_one_microsecond_are_all_shown_once(database: Database) -> None:
    notes = [a_note(str(number), tm_create=SHARED) for number in range(7)]
    await add(database, *notes)
    newest_first = [note["text"] for note in sorted(notes, key=lambda n: n["id"], reverse=True)]
    pages = await read_all(database, 3)
    assert [len(texts) for texts in pages] == [3, 3, 1]
    assert [shown for texts in pages for shown in texts] == newest_first


def test_the_order_names_both_columns_of_the_token() -> None:
    statement = str(page(select(NOTES), Note, PageRequest.parse(10, "")))
    assert "ORDER BY note.tm_create DESC, note.id DESC" in statement


async def test_a_full_last_page_has_no_token(database: Database) -> None:
    await add(database, *(a_note(str(number)) for number in range(4)))
    assert [len(texts) for texts in await read_all(database, 2)] == [2, 2]


async def test_an_empty_list_has_no_token(database: Database) -> None:
    assert await read_page(database, PageRequest.parse(10, "")) == ([], "")


async def test_the_newest_comes_first(database: Database) -> None:
    times = [SHARED + timedelta(microseconds=step) for step in (5, 1, 3)]
    await add(database, *(a_note(str(n), tm_create=moment) for n, moment in enumerate(times)))
    assert await read_all(database, 1) == [["0"], ["2"], ["1"]]


async def test_a_row_made_meanwhile_shifts_nothing(database: Database) -> None:
    await add(database, *(a_note(f"old {number}") for number in range(4)))
    first, token = await read_page(database, PageRequest.parse(2, ""))
    await add(database, a_note("new", tm_create=SHARED + timedelta(seconds=1)))
    second, _ = await read_page(database, PageRequest.parse(2, token))
    assert sorted(first + second) == [f"old {number}" for number in range(4)]


async def test_a_bare_time_stamp_means_strictly_older(database: Database) -> None:
    await add(
        database,
        a_note("older", tm_create=SHARED - timedelta(microseconds=1)),
        a_note("same", tm_create=SHARED),
        a_note("newer", tm_create=SHARED + timedelta(microseconds=1)),
    )
    request = PageRequest.parse(10, "2026-01-02T03:04:05.678901Z")
    assert request.after == Cursor(SHARED, ZERO_ID)
    assert (await read_page(database, request))[0] == ["older"]


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("", ["5", "4", "3", "2"]),
        ("2026-01-02T03:04:09.000000Z", ["3", "2"]),
        ("2026-01-02T03:05:00.000000Z", ["5", "4", "3", "2"]),
    ],
)
async def test_times_say_what_is_in_a_list_whatever_page_is_read(
    database: Database, token: str, shown: list[str]
) -> None:
    moments = [SHARED + timedelta(seconds=second) for second in range(8)]
    await add(database, *(a_note(str(n), tm_create=moment) for n, moment in enumerate(moments)))
    times, texts = Times(since=moments[2], before=moments[6]), []
    while True:
        request = PageRequest.parse(2, token)

        async def work(tx: Transaction, request: PageRequest = request) -> Any:
            return await tx.all(request.within(select(NOTES), Note, times))

        rows, token = request.split(await database.read(work, name="page"))
        texts += [row["text"] for row in rows]
        if not token:
            break
    assert texts == shown


@pytest.mark.parametrize("before", [SHARED, SHARED + timedelta(days=1), None])
async def test_a_page_deep_among_times_begins_where_the_page_does(
    sqlite_database: Database, before: datetime | None
) -> None:
    request = PageRequest.parse(10, PageRequest.parse(1, "").token(Cursor(SHARED, UUID(int=9))))
    times = Times(since=SHARED - timedelta(days=9), before=before)

    async def work(tx: Transaction) -> str:
        statement = request.within(select(NOTES), Note, times).compile(
            dialect=sqlite_dialect(), compile_kwargs={"literal_binds": True}
        )
        rows = await tx.all(text(f"EXPLAIN QUERY PLAN {statement}"))
        return " ".join(row["detail"] for row in rows)

    plan = await sqlite_database.read(work, name="explain")
    assert plan.endswith("((tm_create,id)>(?,?) AND (tm_create,id)<(?,?))")


async def test_a_page_deep_in_the_list_uses_the_index(sqlite_database: Database) -> None:
    async def work(tx: Transaction) -> str:
        request = PageRequest.parse(10, PageRequest.parse(1, "").token(Cursor(SHARED, UUID(int=9))))
        statement = page(select(NOTES), Note, request).compile(
            dialect=sqlite_dialect(), compile_kwargs={"literal_binds": True}
        )
        rows = await tx.all(text(f"EXPLAIN QUERY PLAN {statement}"))
        return " ".join(row["detail"] for row in rows)

    plan = await sqlite_database.read(work, name="explain")
    assert "SEARCH note USING INDEX ix_note_tm_create_id" in plan
    assert "TEMP B-TREE" not in plan


def sqlite_dialect() -> Any:
    return sqlite.dialect()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "ü",
        "A" * 44,
        "A" * 1000,
        "2026-01-02T03:04:05Z",
        "2026-13-02T03:04:05.678901Z",
        "2026-01-02T03:04:05.678901+00:00",
        "====",
    ],
)
def test_a_broken_token_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        PageRequest.parse(10, token)


@given(st.text(min_size=1, max_size=70))
def test_no_text_gets_past_the_parser_by_accident(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        PageRequest.parse(10, token)


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_a_forged_time_never_breaks_the_parser(micros: int) -> None:
    request = PageRequest.parse(10, "")
    packed = request.token(Cursor(SHARED, ZERO_ID))
    forged = _with_micros(packed, micros)
    try:
        PageRequest.parse(10, forged)
    except PageTokenInvalid:
        assert not -62_135_596_800_000_000 <= micros <= 253_402_300_799_999_999


def _with_micros(token: str, micros: int) -> str:
    packed = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    packed[1:9] = micros.to_bytes(8, "big", signed=True)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def test_a_token_of_a_list_with_other_filters_is_refused() -> None:
    mine = PageRequest.parse(10, "", {"customer_id": 1, "kind": "a"})
    token = mine.token(Cursor(SHARED, ZERO_ID))
    same = PageRequest.parse(5, token, {"kind": "a", "customer_id": 1})
    assert same.after == Cursor(SHARED, ZERO_ID)
    with pytest.raises(PageTokenInvalid, match="other filters"):
        PageRequest.parse(10, token, {"customer_id": 2, "kind": "a"})


@given(
    st.datetimes(
        min_value=datetime(1, 1, 1),  # noqa: DTZ001  (hypothesis wants it naive)
        timezones=st.just(UTC),
    ),
    st.uuids(),
)
def test_a_token_brings_back_its_row(moment: datetime, row_id: UUID) -> None:
    request = PageRequest.parse(10, "")
    cursor = Cursor(moment, row_id)
    assert PageRequest.parse(10, request.token(cursor)).after == cursor


@pytest.mark.parametrize(
    ("size", "kept"), [(10, 5), (PAGE_BYTES_MAX // 5, 4), (PAGE_BYTES_MAX // 3, 2), (10**6, 1)]
)
def test_a_page_is_cut_to_what_a_message_holds_and_goes_on_there(size: int, kept: int) -> None:
    request = PageRequest.parse(5, "", {"kind": "a"})
    rows = [Cursor(SHARED, UUID(int=number)) for number in range(5)]
    shown, token = request.fit([StringValue(value="x" * size) for _ in rows], rows, "next")
    assert len(shown) == kept
    assert token == ("next" if kept == len(rows) else request.token(rows[kept - 1]))


def test_a_page_never_grows_beyond_its_limit_by_its_last_item() -> None:
    request, rows = PageRequest.parse(2, ""), [Cursor(SHARED, UUID(int=n)) for n in range(2)]
    sizes = (PAGE_BYTES_MAX - 100, 1024 * 1024 - 1000)
    shown, token = request.fit([StringValue(value="x" * size) for size in sizes], rows, "")
    assert (len(shown), token) == (1, request.token(rows[0]))
