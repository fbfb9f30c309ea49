"""Every failure at every step of a setup, and nothing left anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from voipbin.route.v1 import provider_setup_pb2

from route_manager.carrier import removal
from tests.service.route_manager.conftest import House
from tests.service.route_manager.setups_world import KIND_OF, STEPS, Setups
from tests.support import telnyx as at
from tests.support.telnyx import Telnyx, problem
from tests.support.telnyx_http import Reply


@pytest.fixture
async def telnyx() -> AsyncIterator[Telnyx]:
    async with at.telnyx() as account:
        yield account


@pytest.fixture
def setups(house: House, telnyx: Telnyx) -> Setups:
    return Setups(house, telnyx)


@pytest.fixture
def database_url() -> str | None:
    """Return one engine's: what is undone at the carrier does not depend on the engine."""
    return None


FAILURES: dict[str, tuple[at.Fault, str]] = {
    "key revoked": (at.answering(at.UNAUTHENTICATED), "CARRIER_CREDENTIALS_REJECTED"),
    "not permitted": (
        at.answering(problem(403, "10010", "Not authorized", "You are not authorized.")),
        "CARRIER_CREDENTIALS_REJECTED",
    ),
    "not verified": (
        at.answering(problem(403, "10038", "Feature not permitted", "Verify the account.")),
        "CARRIER_REQUEST_REFUSED",
    ),
    "refused": (
        at.answering(problem(422, "10015", "Bad Request", "Too many objects.")),
        "CARRIER_REQUEST_REFUSED",
    ),
    "too many": (
        at.answering(Reply(429, {}, {"retry-after": "7"})),
        "CARRIER_UNAVAILABLE",
    ),
    "broken": (
        at.answering(problem(500, "10007", "Unexpected error", "Sorry.")),
        "CARRIER_ERROR",
    ),
    "done but broken": (at.done_but(Reply(502, b"<html>")), "CARRIER_ERROR"),
    "down": (at.answering(Reply(503, b"")), "CARRIER_UNAVAILABLE"),
    "gateway timeout": (at.done_but(Reply(504, b"")), "CARRIER_TIMEOUT"),
    "dropped": (at.dropped, "CARRIER_UNAVAILABLE"),
    "done but dropped": (at.done_but_dropped, "CARRIER_UNAVAILABLE"),
    "silent": (at.silent, "CARRIER_TIMEOUT"),
    "done but silent": (at.done_but_silent, "CARRIER_TIMEOUT"),
    "no JSON": (at.done_but(Reply(200, b"hello")), "CARRIER_ERROR"),
    "a redirect": (
        at.answering(Reply(302, b"", {"location": "http://127.0.0.1:1/steal"})),
        "CARRIER_ERROR",
    ),
    "too large": (at.done_but(Reply(200, b" " * 300_000)), "CARRIER_ERROR"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("failure", FAILURES)
async def test_whatever_fails_at_whatever_step_leaves_nothing_anywhere(
    setups: Setups, telnyx: Telnyx, step: str, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "LATE_LOOK_S", 0.1)
    fault, reason = FAILURES[failure]
    telnyx.then(step, fault)
    async with setups.serving():
        error = await setups.refused()
        assert error.reason == reason
        assert error.metadata["step"] == KIND_OF[step]
        assert "leftovers" not in error.metadata
        assert await setups.providers() == []
        [setup] = await setups.listed()
        assert setup.status == provider_setup_pb2.PROVIDER_SETUP_STATUS_FAILED
        assert (setup.error_reason, list(setup.leftovers)) == (reason, [])
        assert error.metadata["setup_id"] == setup.id
    assert telnyx.left() == []
    assert telnyx.breaches == []


@pytest.mark.parametrize("step", STEPS[1:])
async def test_what_the_carrier_makes_after_we_stopped_waiting_is_found(
    setups: Setups, telnyx: Telnyx, step: str
) -> None:
    telnyx.then(step, at.done_late(1.5))
    async with setups.serving(carrier_request_s=1.0):
        error = await setups.refused()
    assert error.reason == "CARRIER_TIMEOUT"
    assert "leftovers" not in error.metadata
    assert telnyx.left() == []


async def test_told_to_stop_while_undoing_it_undoes_to_the_end(
    setups: Setups, telnyx: Telnyx
) -> None:
    stopping = asyncio.Event()
    telnyx.then("POST /fqdns", at.answering(Reply(500, b"")))
    telnyx.then("DELETE /fqdn_connections", at.after(stopping))
    async with setups.serving(carrier_request_s=5.0):
        asking = asyncio.create_task(setups.ask())
        await telnyx.until_asked("DELETE /fqdn_connections")
        asyncio.get_running_loop().call_later(1.0, stopping.set)
    await asyncio.wait({asking})
    assert stopping.is_set()
    assert telnyx.left() == []


async def test_a_provider_that_cannot_be_stored_is_undone_at_the_carrier(
    setups: Setups, telnyx: Telnyx
) -> None:
    locked = asyncio.Event()
    telnyx.then("POST /fqdns", at.after(locked))
    async with setups.serving(carrier_request_s=10.0):
        asking = asyncio.create_task(setups.refused())
        await telnyx.until_asked("POST /fqdns")
        async with setups.house.nothing_can_be_written():
            locked.set()
            error = await asking
        assert error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
        assert await setups.providers() == []
    assert telnyx.left() == []


async def test_more_setups_at_once_than_there_are_places_for_are_refused(
    setups: Setups, telnyx: Telnyx
) -> None:
    going_on = asyncio.Event()
    telnyx.always("GET /balance", at.after(going_on))
    async with setups.serving(carrier_request_s=10.0):
        asking = [asyncio.create_task(setups.ask(name=f"Number {one}")) for one in range(8)]
        await telnyx.until_asked("GET /balance", 8)
        assert (await setups.refused()).reason == "SERVICE_OVERLOADED"
        going_on.set()
        made = await asyncio.gather(*asking)
    assert len({one.id for one in made}) == 8
    assert len(telnyx.left()) == 24
