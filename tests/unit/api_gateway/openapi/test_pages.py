"""The pages are for everybody, ask nothing of anybody else, and are sent once."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator

import httpx
import pytest

from api_gateway.door import Door
from api_gateway.openapi.catalogue import PACKAGES
from api_gateway.openapi.pages import Page, pages
from api_gateway.transcoder import Transcoder
from mesh import contract
from tests.unit.api_gateway.openapi.conftest import every_service
from tests.unit.api_gateway.transcoder.door import KnownTokens

PATHS = pages(every_service())
REDIRECTS = ("/swagger", "/redoc")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    served = Transcoder(Door([], KnownTokens()), extra=PATHS)
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as made:
        yield made


@pytest.mark.parametrize("path", [path for path in PATHS if path not in REDIRECTS])
async def test_a_page_is_sent_whole_then_not_again_and_only_to_readers(
    client: httpx.AsyncClient, path: str
) -> None:
    whole = await client.get(path)
    assert whole.status_code == 200
    assert whole.content
    assert "default-src 'none'" in whole.headers["content-security-policy"]
    head = await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    known = {"if-none-match": f'"other", W/{whole.headers["etag"]}'}
    again = await client.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    refused = await client.post(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", REDIRECTS)
async def test_the_names_of_other_viewers_lead_to_the_one_there_is(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
    assert (await client.post(path)).status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
async def test_a_page_names_nothing_of_another_origin_and_holds_no_script(
    client: httpx.AsyncClient, path: str
) -> None:
    text = (await client.get(path)).text
    linked = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert linked
    assert [one for one in linked if not one.startswith(("/", "#"))] == []
    assert re.findall(r"<script(?![^>]* src=)|<style|style=", text) == []
    for one in {one.partition("#")[0] for one in linked} - {""}:
        assert (await client.get(one)).status_code == 200


async def test_the_page_of_errors_has_a_place_for_every_reason(client: httpx.AsyncClient) -> None:
    text = (await client.get("/docs/errors")).text
    placed = re.findall(r'<section id="([A-Z0-9_]+)">', text)
    assert len(placed) == len(set(placed))
    enums = [next(contract.reason_enums(*contract.files(package))) for package in PACKAGES]
    assert set(placed) == {reason for enum in enums for reason in contract.reasons(enum)}


async def test_the_archive_holds_every_contract(client: httpx.AsyncClient) -> None:
    archive = zipfile.ZipFile(io.BytesIO((await client.get("/protos.zip")).content))
    names = set(archive.namelist())
    assert {service.file.name for service in every_service()} <= names
    assert {"README.md", "buf/validate/validate.proto", "google/api/annotations.proto"} <= names


async def test_a_page_is_made_once_however_many_ask_at_once() -> None:
    made = []

    def make() -> bytes:
        made.append(1)
        return b"body"

    served = Transcoder(Door([], KnownTokens()), extra={"/page": Page("text/plain", make)})
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        answers = await asyncio.gather(*(client.get("/page") for _ in range(5)))
    assert {answer.content for answer in answers} == {b"body"}
    assert len(made) == 1
