"""The keys of every object stand in the documented order; what is ours comes after them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from tests.conformance.checklist import holds
from tests.conformance.town import NUMBER, Town, tel
from tests.support.running_mesh import ok

CUSTOMER: Final = "customer_admin"
STAMPS: Final = "tm_create tm_update tm_delete"
ACTION: Final = "id next_id type option tm_execute"
ADDRESS: Final = "type target target_name name detail"


async def get(town: Town, path: str, who: str = "super_admin") -> dict[str, Any]:
    shown: dict[str, Any] = ok(await town.ask(who, "GET", path))
    return shown


async def provider(town: Town) -> dict[str, Any]:
    return await get(town, f"/v1.0/providers/{town.provider_id}")


async def route(town: Town) -> dict[str, Any]:
    shown: dict[str, Any] = (await get(town, "/v1.0/routes"))["result"][0]
    return shown


async def record(town: Town) -> dict[str, Any]:
    return await get(town, f"/v1.0/providercalls/{town.record_id}")


async def call(town: Town) -> dict[str, Any]:
    return await get(town, f"/v1.0/calls/{town.call_id}", CUSTOMER)


async def flow(town: Town) -> dict[str, Any]:
    body = {"name": "f", "actions": [{"type": "hangup"}]}
    made: dict[str, Any] = await town.made("/v1.0/flows", body, CUSTOMER)
    return made


async def action(town: Town) -> dict[str, Any]:
    first: dict[str, Any] = (await flow(town))["actions"][0]
    return first


async def activeflow(town: Town) -> dict[str, Any]:
    made: dict[str, Any] = await town.made("/v1.0/activeflows", {"actions": []}, CUSTOMER)
    return made


async def number(town: Town) -> dict[str, Any]:
    return await town.a_number(town.customer_id)


async def config(town: Town) -> dict[str, Any]:
    return await get(town, "/v1.0/outbound_config", CUSTOMER)


async def access_key(town: Town) -> dict[str, Any]:
    body = {"name": "k", "detail": "d", "expire": 86_400}
    made: dict[str, Any] = await town.made("/v1.0/accesskeys", body, CUSTOMER)
    return made


async def destination(town: Town) -> dict[str, Any]:
    first: dict[str, Any] = (await record(town))["destinations"][0]
    return first


async def placed(town: Town) -> dict[str, Any]:
    source = (await number(town))["number"]
    body = {"source": tel(source), "destinations": [tel(NUMBER)]}
    made: dict[str, Any] = await town.made("/v1.0/calls", body, CUSTOMER)
    return made


async def groupcall(town: Town) -> dict[str, Any]:
    source = (await number(town))["number"]
    body = {
        "source": tel(source),
        "destinations": [tel(NUMBER)],
        "answer_method": "hangup_others",
    }
    made: dict[str, Any] = await town.made("/v1.0/groupcalls", body, CUSTOMER)
    return made


async def page(town: Town) -> dict[str, Any]:
    return await get(town, "/v1.0/providers?page_size=1")


async def event(town: Town) -> dict[str, Any]:
    events = await get(town, f"/v1.0/timelines/calls/{town.call_id}/events", CUSTOMER)
    first: dict[str, Any] = events["result"][0]
    return first


async def analysis(town: Town) -> dict[str, Any]:
    return await get(town, f"/v1.0/timelines/calls/{town.call_id}/sip-analysis", CUSTOMER)


async def sip_message(town: Town) -> dict[str, Any]:
    first: dict[str, Any] = (await analysis(town))["sip_messages"][0]
    return first


async def error(town: Town) -> dict[str, Any]:
    shown: dict[str, Any] = (await town.ask("anonymous", "GET", "/v1.0/calls")).json()["error"]
    return shown


# Texts and times of a call that are not set are left out (section 1.9); those of this one are.
OBJECTS: Final[list[tuple[str, Callable[[Town], Awaitable[dict[str, Any]]], str]]] = [
    ("2.1 provider", provider, ("id type hostname tech_prefix tech_postfix tech_headers name detail"
     f" metadata codecs health_status health_checked_at {STAMPS}")),
    ("2.3 route", route, f"id customer_id name detail provider_id priority target {STAMPS}"),
    ("2.4 provider call", record, ("id customer_id provider_id flow_id source destinations"
     f" anonymous call_ids groupcall_ids {STAMPS}")),
    ("2.5 call", call, ("id customer_id owner_id flow_id activeflow_id type master_call_id"
     " chained_call_ids recording_id recording_ids groupcall_id source destination status action"
     " metadata direction hangup_by hangup_reason tm_progressing tm_ringing tm_hangup tm_create"
     " tm_update")),
    ("2.5 address", destination, ADDRESS),
    ("2.5 answer of POST /calls", placed, "calls groupcalls"),
    ("2.6 groupcall", groupcall, ("id customer_id owner_id status flow_id source destinations"
     " master_call_id master_groupcall_id ring_method answer_method answer_call_id call_ids"
     " answer_groupcall_id groupcall_ids call_count groupcall_count dial_index tm_create")),
    ("2.7 flow", flow, ("id customer_id type name detail actions direct_hash on_complete_flow_id"
     f" {STAMPS}")),
    ("2.7 action", action, ACTION),
    ("2.7 activeflow", activeflow, ("id customer_id flow_id status reference_type reference_id"
     " reference_activeflow_id on_complete_flow_id webhook_uri webhook_method current_action"
     f" forward_action_id executed_actions {STAMPS}")),
    ("2.8 outbound configuration", config, ("id customer_id name detail destination_whitelist"
     f" codecs default_outgoing_source_number_id {STAMPS}")),
    ("2.9 number", number, ("id customer_id number type call_flow_id message_flow_id name detail"
     f" status t38_enabled emergency_enabled metadata tm_purchase tm_renew {STAMPS}")),
    ("2.10 access key", access_key, ("id customer_id name detail token token_prefix tm_expire"
     " tm_create")),
    ("2.12 event", event, "timestamp event_type data"),
    ("2.12 analysis", analysis, "sip_messages rtcp_stats"),
    ("2.12 SIP message", sip_message, "timestamp method src_ip src_port dst_ip dst_port raw"),
    ("9 list", page, "result next_page_token"),
    ("9 error", error, "status reason message request_id"),
]  # fmt: skip


@holds("key order of objects")
@pytest.mark.parametrize(("get_it", "keys"), [row[1:] for row in OBJECTS],
                         ids=[row[0] for row in OBJECTS])  # fmt: skip
async def test_keys_stand_in_the_documented_order(
    town: Town, get_it: Callable[[Town], Awaitable[dict[str, Any]]], keys: str
) -> None:
    documented = keys.split()
    shown = list(await get_it(town))
    assert shown[: len(documented)] == documented
