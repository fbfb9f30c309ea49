"""Provider calls at their edges, and timelines that are not there or cannot be asked."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any, Final

from mesh.clock import ZERO_ID, new_id
from tests.conformance.checklist import holds
from tests.conformance.town import NUMBER, Town, tel
from tests.support.carrier import Address, Carrier, Leg, carrier
from tests.support.running_mesh import ok, reason

RECORDS: Final = "/v1.0/providercalls"
ADMIN: Final = "super_admin"
CONFIG: Final = "/v1.0/outbound_config"
AN_AGENT: Final = {"type": "agent", "target": str(new_id())}
REFUSED: Final = "+12025550190"
DEAD_END: Final = "+99912345678"
"""No number of any country."""


async def refusal(town: Town, **fields: Any) -> tuple[int, str]:
    body = {
        "provider_id": town.provider_id, "source": tel("+12025550100"),
        "destinations": [tel(NUMBER)], **fields,
    }  # fmt: skip
    given = {key: value for key, value in body.items() if value is not None}
    return reason(await town.ask(ADMIN, "POST", RECORDS, given))


@holds("provider call with missing source")
async def test_without_a_source_the_default_stands_in_or_it_is_refused(town: Town) -> None:
    assert await refusal(town, source=None) == (400, "SOURCE_REQUIRED")
    number = await town.a_number(town.people[ADMIN].customer_id)
    default = {"default_outgoing_source_number_id": number["id"]}
    ok(await town.ask(ADMIN, "PUT", CONFIG, default))
    try:
        body = {"provider_id": town.provider_id, "destinations": [tel(NUMBER)]}
        record = await town.made(RECORDS, body)
        call = await town.ended(record["call_ids"][0])
        assert call["source"]["target"] == number["number"]
    finally:
        nothing = {"default_outgoing_source_number_id": str(ZERO_ID)}
        ok(await town.ask(ADMIN, "PUT", CONFIG, nothing))


@holds("provider call with deleted provider")
async def test_a_provider_that_is_gone_or_never_was_is_not_found(town: Town) -> None:
    gone = (await town.mesh.a_provider(town.carrier.address))["id"]
    ok(await town.ask(ADMIN, "DELETE", f"/v1.0/providers/{gone}"))
    for provider_id in (gone, str(new_id())):
        assert await refusal(town, provider_id=provider_id) == (404, "PROVIDER_NOT_FOUND")
    assert (await refusal(town, provider_id=None))[0] == 400


@holds("provider call with mixed destination types")
async def test_each_destination_has_its_outcome_in_order(town: Town) -> None:
    destinations = [tel(NUMBER), AN_AGENT, {"type": "sip", "target": "alice@10.1.1.1"}]
    record = await town.mesh.place(town.provider_id, destinations=destinations)
    calls = [await town.ended(call_id) for call_id in record["call_ids"]]
    assert [call["destination"]["type"] for call in calls] == ["tel", "agent", "sip"]
    assert [one["admitted"] for one in record["outcomes"]] == [True, False, True]
    assert record["outcomes"][1]["reason"] == "DESTINATION_TYPE_UNSUPPORTED"
    # What is dialled at all goes to the named carrier, whatever host an address names.
    assert [call["sip_code"] for call in calls if call["sip_code"]] == [200, 200]
    assert town.carrier.to("alice")
    assert await refusal(town, destinations=[AN_AGENT]) == (400, "DESTINATION_TYPE_UNSUPPORTED")
    assert (await refusal(town, destinations=[]))[0] == 400


class RefusesOne(Carrier):
    """Answers everybody but one number."""

    async def _take(self, leg: Leg, addr: Address) -> None:
        if leg.number == REFUSED:
            self._reply(leg.invite, addr, 503)
        else:
            await super()._take(leg, addr)


@holds("provider call with one failing destination")
async def test_one_that_fails_leaves_the_others_alone(town: Town) -> None:
    async with carrier(kind=RefusesOne) as made:
        provider = (await town.mesh.a_provider(made.address))["id"]
        record = await town.mesh.place(provider, NUMBER, REFUSED, "+12025550191")
        assert record["status"] == "completed"
        assert [one["admitted"] for one in record["outcomes"]] == [True, True, True]
        calls = [await town.ended(call_id) for call_id in record["call_ids"]]
    assert [call["destination"]["target"] for call in calls] == [NUMBER, REFUSED, "+12025550191"]
    assert [call["hangup_reason"] for call in calls] == ["normal", "failed", "normal"]
    assert [call["sip_code"] for call in calls] == [200, 503, 200]
    # What is no number at all is no request, so there is no record of it.
    no_number = [tel(NUMBER), tel(DEAD_END)]
    assert await refusal(town, destinations=no_number) == (400, "INVALID_DESTINATION_NUMBER")


@holds("provider call with timeout", "each error reason reachable")
async def test_a_request_that_takes_too_long_is_finished_all_the_same(town: Town) -> None:
    provider = (await town.mesh.a_provider(town.carrier.address))["id"]
    body = {
        "provider_id": provider, "source": tel("+12025550100"),
        "destinations": [tel("+12025550192")], "actions": [{"type": "hangup"}],
    }  # fmt: skip
    stopped = town.mesh.pid("call_manager")
    os.kill(stopped, signal.SIGSTOP)
    try:
        late, calls = await asyncio.gather(
            town.ask(ADMIN, "POST", RECORDS, body), town.ask("manager", "GET", "/v1.0/calls")
        )
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert reason(calls) == (504, "REQUEST_TIMEOUT")
    assert late.status_code == 504
    [listed] = ok(await town.ask(ADMIN, "GET", RECORDS, provider_id=provider))["result"]
    record = await settled(town, listed["id"])
    assert record["status"] == "completed"
    await town.ended(record["call_ids"][0])
    assert len(town.carrier.to("+12025550192")) == 1


async def settled(town: Town, record_id: str) -> dict[str, Any]:
    """Return a record once it is pending no more."""
    async with asyncio.timeout(20):
        while True:
            record: dict[str, Any] = ok(await town.ask(ADMIN, "GET", f"{RECORDS}/{record_id}"))
            if record["status"] != "pending":
                return record
            await asyncio.sleep(0.1)


@holds("timeline 404/503")
async def test_a_timeline_that_is_not_there_is_not_found(town: Town) -> None:
    for path in ("events", "sip-analysis", "pcap"):
        unknown = await town.ask(ADMIN, "GET", f"/v1.0/timelines/calls/{new_id()}/{path}")
        assert reason(unknown) == (404, "CALL_NOT_FOUND"), path
        others = f"/v1.0/timelines/calls/{town.call_id}/{path}"
        hidden = await town.ask("other_admin", "GET", others)
        assert reason(hidden) == (404, "CALL_NOT_FOUND"), path
    record = await town.mesh.place(town.provider_id, NUMBER, destinations=[tel(NUMBER), AN_AGENT])
    untraced = record["call_ids"][1]
    for path in ("sip-analysis", "pcap"):
        never = await town.ask(ADMIN, "GET", f"/v1.0/timelines/calls/{untraced}/{path}")
        assert reason(never) == (404, "TRACE_NOT_FOUND"), path


@holds("timeline 404/503", "each error reason reachable")
async def test_a_store_that_is_down_is_unavailable(town: Town) -> None:
    path = f"/v1.0/timelines/calls/{town.call_id}/sip-analysis"
    killed = town.mesh.pid("call_manager")
    town.mesh.kill("call_manager")
    refused = []
    async with asyncio.timeout(30):
        while (response := await town.ask("customer_admin", "GET", path)).status_code != 200:
            refused.append(reason(response))
    await town.mesh.restarted("call_manager", killed)
    assert set(refused) == {(503, "SERVICE_UNAVAILABLE")}
