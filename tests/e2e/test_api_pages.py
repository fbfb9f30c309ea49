"""A reader opens the API's page in a real browser, signs in and tries an operation."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import ConsoleMessage, Page, async_playwright

from tests.support.running_mesh import RunningMesh

PATIENCE_MS = 30_000


class Reader:
    """A page of a browser, and everything it complained of and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest_asyncio.fixture(loop_scope="session")
async def reader() -> AsyncIterator[Reader]:
    path = shutil.which("chromium")
    assert path, "no chromium: run scripts/setup_system.sh"
    async with async_playwright() as playwright:
        # Its sandbox needs rights that containers do not have.
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield Reader(await browser.new_page())
        finally:
            await browser.close()


async def test_an_operation_can_be_tried_from_the_page_without_asking_anybody_else(
    mesh: RunningMesh, reader: Reader
) -> None:
    page, origin = reader.page, mesh.ready["http"]
    await page.goto(f"{origin}/docs")
    await page.click("button.authorize")
    scheme = page.locator(".auth-container", has_text="bearer").first
    await scheme.locator("input").fill(mesh.ready["admin"]["token"])
    await scheme.get_by_role("button", name="Apply credentials").click()
    await page.click(".modal-ux .close-modal")

    operation = page.locator("#operations-Provider-ProviderList")
    await operation.locator(".opblock-summary").click()
    await operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table tr.response td.response-col_status").first
    assert (await status.inner_text()).split()[0] == "200"

    assert [url for url in reader.asked if not url.startswith(f"{origin}/")] == []
    assert f"{origin}/v1.0/providers" in reader.asked
    assert reader.complaints == []


async def test_the_type_of_a_problem_leads_to_its_reason(mesh: RunningMesh, reader: Reader) -> None:
    origin = mesh.ready["http"]
    problem = (await mesh.get("/v1.0/nothing")).json()
    await reader.page.goto(f"{origin}{problem['type']}")
    shown = await reader.page.locator("section:target").inner_text()
    assert problem["error"]["reason"] in shown
    assert problem["fix"] in shown
    assert reader.complaints == []
