from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import MetaData

from mesh.clock import minted_at, new_id
from mesh.database import NAMING_CONVENTION, Database, Transaction
from mesh.migrations import check_models
from mesh.outbox import DATA_BYTES_MAX, EVENTS_PAGE_MAX, Event, Outbox, StoredEvent
from mesh.pagination import PageRequest

METADATA = MetaData(naming_convention=dict(NAMING_CONVENTION))
OUTBOX = Outbox(METADATA)
CUSTOMER = new_id()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, migrations=Path(__file__).parent / "outbox_migrations")
    await made.start()
    yield made
    await made.stop()


def an_event(resource_id: UUID, text: str = "", group_id: UUID | None = None) -> Event:
    return Event("note_changed", "note", resource_id, CUSTOMER, text.encode(), group_id)


async def append(database: Database, *events: Event) -> None:
    async def work(tx: Transaction) -> None:
        await OUTBOX.append(tx, *events)

    await database.transact(work, name="append")


async def timeline(
    database: Database, resource_id: UUID, size: int, resource_type: str = "note"
) -> list[list[StoredEvent]]:
    """Return every page of a resource's events."""
    pages: list[list[StoredEvent]] = []
    token = ""
    while not pages or token:
        request = PageRequest.parse(size, token, size_max=EVENTS_PAGE_MAX)

        async def work(
            tx: Transaction, request: PageRequest = request
        ) -> tuple[tuple[StoredEvent, ...], str]:
            return await OUTBOX.by_resource(tx, resource_type, resource_id, request)

        events, token = await database.read(work, name="timeline")
        pages.append(list(events))
    return pages


async def test_a_migration_can_make_the_table(database: Database) -> None:
    async with database.writing_connection() as connection:
        assert await check_models(connection, METADATA) == []


async def test_events_of_one_transaction_come_back_newest_first_and_page_without_loss(
    database: Database,
) -> None:
    resource_id = new_id()
    before = datetime.now(UTC)
    await append(database, *(an_event(resource_id, str(n)) for n in range(25)))
    await append(database, an_event(new_id(), "another's"))
    pages = await timeline(database, resource_id, 10)
    assert [len(page) for page in pages] == [10, 10, 5]
    shown = [event for page in pages for event in page]
    assert [event.data for event in shown] == [str(n).encode() for n in reversed(range(25))]
    assert all(abs(event.tm_create - before) < timedelta(seconds=30) for event in shown)
    assert {event.customer_id for event in shown} == {CUSTOMER}


async def test_a_resource_of_another_kind_with_the_same_id_has_its_own_events(
    database: Database,
) -> None:
    resource_id = new_id()
    await append(database, an_event(resource_id))
    assert await timeline(database, resource_id, 10, "letter") == [[]]


async def test_a_group_is_read_across_resources(database: Database) -> None:
    group_id, one, other = new_id(), new_id(), new_id()
    await append(database, an_event(one, group_id=group_id), an_event(other, group_id=group_id))
    await append(database, an_event(one))

    async def work(tx: Transaction) -> tuple[tuple[StoredEvent, ...], str]:
        return await OUTBOX.by_group(tx, group_id, PageRequest.parse(0, ""))

    events, token = await database.read(work, name="group")
    assert [event.resource_id for event in events] == [other, one]
    assert token == ""


async def test_an_event_whose_transaction_fails_did_not_happen(database: Database) -> None:
    resource_id = new_id()

    async def work(tx: Transaction) -> None:
        await OUTBOX.append(tx, an_event(resource_id))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.transact(work, name="append")
    assert await timeline(database, resource_id, 10) == [[]]


async def test_a_resource_too_large_to_keep_leaves_its_event_without_data(
    database: Database,
) -> None:
    resource_id = new_id()
    await append(database, an_event(resource_id, "x" * DATA_BYTES_MAX))
    await append(database, an_event(resource_id, "x" * (DATA_BYTES_MAX + 1)))
    ((newest, oldest),) = await timeline(database, resource_id, 10)
    assert (newest.data, len(oldest.data or b"")) == (None, DATA_BYTES_MAX)


def test_an_id_tells_when_it_was_minted() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= minted_at(new_id()) <= datetime.now(UTC)
