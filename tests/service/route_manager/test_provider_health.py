"""Providers are asked whether they are there, and what they say is kept, told and counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import grpc
import pytest
from voipbin.route.v1 import provider_health_service_pb2 as pb
from voipbin.route.v1 import provider_pb2, provider_service_pb2
from voipbin.route.v1.provider_health_service_pb2_grpc import ProviderHealthServiceStub

from mesh.identity import acting_as
from mesh.remote import RemoteError
from route_manager.health import checker
from tests.service.route_manager.conftest import House, refusing, unavailable
from tests.service.route_manager.health_world import Clinic, Probes, a_clinic
from tests.support.node import a_super_admin

UNKNOWN = provider_pb2.PROVIDER_HEALTH_STATUS_UNKNOWN
HEALTHY = provider_pb2.PROVIDER_HEALTH_STATUS_HEALTHY
UNHEALTHY = provider_pb2.PROVIDER_HEALTH_STATUS_UNHEALTHY

rules_alone = pytest.mark.one_engine("sqlite")
"""For what no engine makes a difference to."""


@pytest.fixture(autouse=True)
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Administrators may ask as often as they like, to save time."""
    monkeypatch.setattr(checker, "REQUESTS_APART", timedelta(0))


@pytest.fixture
async def clinic(house: House) -> AsyncIterator[Clinic]:
    """Nobody is asked but on request."""
    async with a_clinic(house) as made:
        yield made


async def test_a_check_on_request_tells_what_it_met_and_is_kept(clinic: Clinic) -> None:
    provider = await clinic.house.a_provider(hostname="sip.carrier.example")
    check = await clinic.ask(provider.id)
    assert (check.healthy, check.health_status, check.requested) == (True, HEALTHY, True)
    assert (check.sip_code, check.sip_reason, check.latency_ms) == (200, "Said so", 8)
    assert (check.transport, check.remote_address) == ("udp", "192.0.2.1:5060")
    assert [(one.name, one.type, one.ttl) for one in check.dns] == [
        ("sip.carrier.example", "A", 60)
    ]
    assert check.detail == "It answered 200 Said so after 8 ms."
    assert list((await clinic.checks(provider.id)).result) == [check]

    now = await clinic.get(provider.id)
    assert now.health_status == HEALTHY
    assert now.health_checked_at == now.health_changed_at == check.tm_create
    assert (now.health_latency_ms, now.health_detail) == (8, check.detail)
    assert not now.HasField("tm_update")


@rules_alone
async def test_it_is_asked_over_its_own_transport_by_its_own_proxy(clinic: Clinic) -> None:
    provider = await clinic.house.a_provider(
        hostname="sip.carrier.example",
        outbound_proxy="proxy.carrier.example:5070",
        transport=provider_pb2.PROVIDER_TRANSPORT_TCP,
    )
    await clinic.ask(provider.id)
    [(_, asked)] = clinic.probes.asked
    assert (asked.host, asked.port, asked.transport) == ("proxy.carrier.example", 5070, "tcp")
    assert asked.route == "sip:proxy.carrier.example:5070;transport=tcp;lr"
    assert asked.timeout_ms == 5000


async def test_failures_in_a_row_change_the_status_and_are_told_once(house: House) -> None:
    async with a_clinic(house, health_failures=2, health_successes=1) as clinic:
        provider = await clinic.house.a_provider(
            hostname="sip.carrier.example", tech_headers={"X-Account": "y"}
        )
        clinic.probes.codes["sip.carrier.example"] = 503
        first, second = await clinic.ask(provider.id), await clinic.ask(provider.id)
        assert (first.healthy, first.health_status) == (False, UNKNOWN)
        assert (second.healthy, second.health_status) == (False, UNHEALTHY)
        assert second.detail.endswith("which does not count as healthy.")
        [event] = await clinic.events(provider.id)
        assert event.event_type == "provider_health_changed"
        assert event.data.health_status == UNHEALTHY
        assert event.data.health_changed_at == second.tm_create
        assert (event.data.id, dict(event.data.tech_headers)) == (provider.id, {})

        clinic.probes.codes["sip.carrier.example"] = 200
        assert (await clinic.ask(provider.id)).health_status == HEALTHY
        statuses = [event.data.health_status for event in await clinic.events(provider.id)]
        assert statuses == [HEALTHY, UNHEALTHY]


@rules_alone
async def test_silence_counts_against_it_with_its_reason(clinic: Clinic) -> None:
    provider = await clinic.house.a_provider(hostname="sip.carrier.example")
    clinic.probes.codes["sip.carrier.example"] = 0
    check = await clinic.ask(provider.id)
    assert (check.healthy, check.sip_code, check.detail) == (False, 0, "Nothing answered.")
    assert not check.HasField("latency_ms")


@rules_alone
async def test_which_answers_are_healthy_is_the_providers_own_matter(clinic: Clinic) -> None:
    lenient = await clinic.house.a_provider(hostname="a.example", health_codes=["5xx"])
    strict = await clinic.house.a_provider(hostname="b.example", health_codes=["200"])
    clinic.probes.codes |= {"a.example": 503, "b.example": 404}
    assert (await clinic.ask(lenient.id)).healthy
    assert not (await clinic.ask(strict.id)).healthy


@rules_alone
async def test_what_cannot_be_sent_as_it_is_configured_counts_against_it(clinic: Clinic) -> None:
    clinic.probes.then("ProbeSend", refusing(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"))
    provider = await clinic.house.a_provider(hostname="sip.carrier.example")
    check = await clinic.ask(provider.id)
    assert not check.healthy
    assert check.detail.startswith("It cannot be asked as it is configured")


@rules_alone
async def test_our_own_trouble_says_nothing_about_a_provider(clinic: Clinic) -> None:
    provider = await clinic.house.a_provider(hostname="sip.carrier.example")
    # As often as an idempotent RPC is tried.
    clinic.probes.then("ProbeSend", *[unavailable()] * 4)
    with pytest.raises(RemoteError) as refused:
        await clinic.ask(provider.id)
    assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    assert (await clinic.get(provider.id)).health_status == UNKNOWN
    assert not (await clinic.checks(provider.id)).result
    # And holds nothing up.
    assert (await clinic.ask(provider.id)).healthy


async def test_nobody_is_asked_twice_at_once_or_twice_a_second(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checker, "REQUESTS_APART", timedelta(seconds=1))
    provider = await clinic.house.a_provider(hostname="sip.carrier.example")
    gate = clinic.probes.gates["sip.carrier.example"] = asyncio.Event()
    waiting = asyncio.create_task(clinic.ask(provider.id))
    await clinic.probes.until_asked("ProbeSend")
    for _ in range(2):
        with pytest.raises(RemoteError) as refused:
            await clinic.ask_once(provider.id)
        assert refused.value.reason == "HEALTH_CHECK_TOO_SOON"
        assert refused.value.retry_after_s == 1.0
        # Once while it is being asked, and once right after.
        gate.set()
        await waiting


async def test_what_is_learnt_of_a_machine_that_was_replaced_counts_for_nothing(
    clinic: Clinic,
) -> None:
    provider = await clinic.house.a_provider(hostname="old.example")
    gate = clinic.probes.gates["old.example"] = asyncio.Event()
    waiting = asyncio.create_task(clinic.ask_once(provider.id))
    await clinic.probes.until_asked("ProbeSend")
    await clinic.update(provider.id, hostname="new.example")
    gate.set()
    with pytest.raises(RemoteError) as refused:
        await waiting
    assert refused.value.reason == "HEALTH_CHECK_TOO_SOON"
    assert (await clinic.get(provider.id)).health_status == UNKNOWN
    assert not (await clinic.checks(provider.id)).result


async def test_another_machine_begins_without_a_past(house: House) -> None:
    async with a_clinic(house, health_failures=2) as clinic:
        provider = await clinic.house.a_provider(hostname="old.example")
        await clinic.ask(provider.id)
        clinic.probes.codes |= {"old.example": 503, "new.example": 503}
        await clinic.ask(provider.id)
        changed = await clinic.update(provider.id, hostname="new.example")
        assert (changed.health_status, changed.health_detail) == (UNKNOWN, "")
        assert not changed.HasField("health_checked_at")
        # One failure of each is not two of one.
        assert (await clinic.ask(provider.id)).health_status == UNKNOWN
        statuses = [event.data.health_status for event in await clinic.events(provider.id)]
        assert statuses == [UNKNOWN, HEALTHY]


@rules_alone
async def test_new_providers_are_asked_soon_and_then_again_and_again(house: House) -> None:
    async with a_clinic(house, health_interval_s=0.4) as clinic:
        provider = await clinic.house.a_provider(hostname="sip.carrier.example")
        await clinic.until(provider.id, lambda one: one.health_status == HEALTHY)
        clinic.probes.codes["sip.carrier.example"] = 0
        down = await clinic.until(provider.id, lambda one: one.health_status == UNHEALTHY)
        assert down.health_detail == "Nothing answered."
        clinic.probes.codes["sip.carrier.example"] = 200
        await clinic.until(provider.id, lambda one: one.health_status == HEALTHY)
        seen = (await clinic.checks(provider.id)).result
        assert [check.requested for check in seen] == [False] * len(seen)
        statuses = [event.data.health_status for event in await clinic.events(provider.id)]
        assert statuses == [HEALTHY, UNHEALTHY, HEALTHY]


async def test_paused_and_deleted_providers_are_left_out_of_the_round(house: House) -> None:
    async with a_clinic(house, health_interval_s=0.2) as clinic:
        paused = await clinic.house.a_provider(hostname="paused.example", health_checks_paused=True)
        gone = await clinic.house.a_provider(hostname="gone.example", health_checks_paused=True)
        await clinic.house.providers().ProviderDelete(
            provider_service_pb2.ProviderDeleteRequest(id=gone.id)
        )
        asked = await clinic.house.a_provider(hostname="asked.example")
        await clinic.until(asked.id, lambda one: one.health_status == HEALTHY)
        await clinic.probes.until_asked("ProbeSend", 4)
        assert {request.host for request in clinic.probes.requests("ProbeSend")} == {
            "asked.example"
        }
        # An administrator may ask all the same, but not about what is deleted.
        assert (await clinic.ask(paused.id)).healthy
        with pytest.raises(RemoteError) as refused:
            await clinic.ask(gone.id)
        assert refused.value.reason == "PROVIDER_NOT_FOUND"


@rules_alone
async def test_silent_providers_hold_nobody_up_and_so_many_are_asked_at_once(house: House) -> None:
    async with a_clinic(house, health_interval_s=0.5, health_checks_max=4) as clinic:
        open_gate = asyncio.Event()
        for number in range(3):
            host = f"silent{number}.example"
            clinic.probes.gates[host] = open_gate
            await clinic.house.a_provider(hostname=host)
        for number in range(6):
            await clinic.house.a_provider(hostname=f"good{number}.example")
        async with asyncio.timeout(20):
            while True:
                asked = {request.host for request in clinic.probes.requests("ProbeSend")}
                if len(asked) == 9:
                    break
                await asyncio.sleep(0.02)
        assert clinic.probes.most_at_once <= 4
        open_gate.set()


@rules_alone
async def test_while_nobody_can_be_asked_the_status_stays_and_then_goes_on(house: House) -> None:
    probes = Probes()
    probes.then("ProbeSend", *[unavailable()] * 4)
    async with a_clinic(house, probes, health_interval_s=0.2) as clinic:
        provider = await clinic.house.a_provider(hostname="sip.carrier.example")
        await probes.until_asked("ProbeSend", 4)
        healthy = await clinic.until(provider.id, lambda one: one.health_status == HEALTHY)
        checks = (await clinic.checks(provider.id)).result
        assert healthy.HasField("health_checked_at")
        assert all(check.healthy for check in checks)


async def test_two_replicas_make_no_more_checks_than_one(house: House) -> None:
    probes = Probes()
    async with a_clinic(house, probes, health_interval_s=1.0) as clinic:
        made = [await clinic.house.a_provider(hostname=f"p{n}.example") for n in range(5)]
        second = House(house.credentials, house.flows, house.calls, house.neighbours)
        second.database_url = house.database_url
        async with a_clinic(second, probes, health_interval_s=1.0):
            for provider in made:
                await clinic.until(provider.id, lambda one: one.health_status == HEALTHY)
            await probes.until_asked("ProbeSend", 20)
        for provider in made:
            checks = (await clinic.checks(provider.id)).result
            # The second comes early, which spreads them; the others are an interval apart.
            stamps = [check.tm_create.ToDatetime() for check in checks][:-1]
            gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(stamps)]
            assert all(gap > 0.4 for gap in gaps), gaps


@rules_alone
async def test_the_history_is_paged_newest_first(clinic: Clinic) -> None:
    provider = await clinic.house.a_provider(hostname="sip.carrier.example")
    made = [await clinic.ask(provider.id) for _ in range(3)]
    first = await clinic.checks(provider.id, page_size=2)
    rest = await clinic.checks(provider.id, page_size=2, page_token=first.next_page_token)
    assert [*first.result, *rest.result] == made[::-1]
    assert not rest.next_page_token


@rules_alone
async def test_a_key_that_is_limited_to_other_providers_sees_none_of_it(clinic: Clinic) -> None:
    provider = await clinic.house.a_provider(hostname="sip.carrier.example")
    other = await clinic.house.a_provider(hostname="other.example")
    limited = a_super_admin()
    limited.provider_ids.append(other.id)
    stub = ProviderHealthServiceStub(clinic.house.channel("api_gateway"))
    asks: list[Callable[[], Any]] = [
        lambda: stub.ProviderHealthCheckList(pb.ProviderHealthCheckListRequest(id=provider.id)),
        lambda: stub.ProviderHealthCheckCreate(pb.ProviderHealthCheckCreateRequest(id=provider.id)),
        lambda: stub.ProviderEventList(pb.ProviderEventListRequest(id=provider.id)),
    ]
    with acting_as(limited):
        for ask in asks:
            with pytest.raises(RemoteError) as refused:
                await ask()
            assert refused.value.reason == "PROVIDER_NOT_FOUND"
