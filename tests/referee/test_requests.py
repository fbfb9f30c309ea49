"""Requests of every kind to the whole public contract: the mesh answers as its referee does.

Asked is what changes nothing, so both are asked about the same things and answer the same to the
last digit; what changes something is in test_lives.py. Names in angle brackets are ids.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.referee import money
from tests.referee.court import Request
from tests.referee.house import EVERYBODY, NOBODY, NUMBER, House

GETS: Final = (
    # Every route that shows something.
    ("/v1.0/accesskeys/<key>", "200"),
    ("/v1.0/accesskeys", "200"),
    ("/v1.0/agents/<agent>", "200"),
    ("/v1.0/agents", "200"),
    ("/v1.0/customers/<customer>", "200"),
    ("/v1.0/customers", "200"),
    ("/v1.0/customer", "200"),
    ("/v1.0/calls/<call>", "200"),
    ("/v1.0/calls", "200"),
    ("/v1.0/groupcalls/<groupcall>", "200"),
    ("/v1.0/groupcalls", "200"),
    ("/v1.0/timelines/groupcalls/<groupcall>/events", "200"),
    ("/v1.0/audio_files/<audio_file>", "200"),
    ("/v1.0/audio_files/<audio_file>/file", "200"),
    ("/v1.0/audio_files", "200"),
    ("/v1.0/audio_files?page_size=1", "200"),
    ("/v1.0/audio_files/<nobody>", "404 AUDIO_FILE_NOT_FOUND"),
    ("/v1.0/audio_files/<nobody>/file", "404 AUDIO_FILE_NOT_FOUND"),
    ("/v1.0/numbers/<number>", "200"),
    ("/v1.0/numbers", "200"),
    ("/v1.0/recordings/<recording>", "200"),
    ("/v1.0/recordings/<recording>/file", "200"),
    ("/v1.0/recordings/<erased>", "200"),
    ("/v1.0/recordings", "200"),
    ("/v1.0/recordings?call_id=<recorded_call>", "200"),
    ("/v1.0/outbound_config", "200"),
    ("/v1.0/outbound_configs/<config>", "200"),
    ("/v1.0/outbound_configs", "200"),
    ("/v1.0/timelines/calls/<call>/events", "200"),
    ("/v1.0/timelines/calls/<record_call>/events", "200"),
    ("/v1.0/timelines/calls/<record_call>/sip-analysis", "200"),
    ("/v1.0/timelines/calls/<record_call>/pcap", "200"),
    ("/v1.0/timelines/flows/<flow>/events", "200"),
    ("/v1.0/timelines/activeflows/<activeflow>/events", "200"),
    ("/v1.0/aggregated-events?call_id=<call>", "200"),
    ("/v1.0/aggregated-events?activeflow_id=<activeflow>", "200"),
    ("/v1.0/activeflows/<activeflow>", "200"),
    ("/v1.0/activeflows", "200"),
    ("/v1.0/flows/<flow>", "200"),
    ("/v1.0/flows", "200"),
    ("/v1.0/providercalls/<record>", "200"),
    ("/v1.0/providercalls", "200"),
    ("/v1.0/providers/<provider>", "200"),
    ("/v1.0/providers/<gone>", "200"),
    ("/v1.0/providers", "200"),
    ("/v1.0/providers/<provider>/failover", "200"),
    ("/v1.0/providers/<gone>/failover", "200"),
    ("/v1.0/providers/<provider>/health_checks", "200"),
    ("/v1.0/timelines/providers/<provider>/events", "200"),
    ("/v1.0/provider_setups", "200"),
    ("/v1.0/routes/<route>", "200"),
    ("/v1.0/routes", "200"),
    # Pages and filters.
    ("/v1.0/providers?page_size=1", "200"),
    ("/v1.0/providers?page_size=05", "200"),
    ("/v1.0/providers?page%5Fsize=1", "200"),
    ("/v1.0/providers?page_size=1&page_token=2026-01-01T00:00:00.000000Z", "200"),
    ("/v1.0/providers?", "200"),
    ("/v1.0/providers?&", "200"),
    ("/v1.0/calls?page_size=100000", "200"),
    ("/v1.0/calls?status=hangup&page_size=1", "200"),
    ("/v1.0/calls?status=", "200"),
    ("/v1.0/calls?provider_id=<provider>&created_after=2026-01-01T00:00:00Z", "200"),
    ("/v1.0/calls?created_before=2026-01-01T00:00:00.123456789Z", "200"),
    ("/v1.0/calls?created_after=2026-01-01T00:00:00%2B02:00", "200"),
    ("/v1.0/calls?created_after=9999-12-31T23:59:59Z", "200"),
    ("/v1.0/calls?provider_id=00000000-0000-0000-0000-000000000000", "200"),
    ("/v1.0/calls/<CALL>", "200"),
    ("/v1.0/activeflows?status=ended&flow_id=<flow>", "200"),
    ("/v1.0/outbound_configs?customer_id=<customer>", "200"),
    ("/v1.0/providercalls?provider_id=<provider>&agent_id=<agent>", "200"),
    ("/v1.0/routes?provider_id=<provider>&customer_id=<nobody>", "200"),
    ("/v1.0/timelines/calls/<call>/events?page_size=1001", "200"),
    # What is not there.
    ("/v1.0/providers/<nobody>", "404 PROVIDER_NOT_FOUND"),
    ("/v1.0/providers/<nobody>/failover", "404 PROVIDER_NOT_FOUND"),
    ("/v1.0/providers/<nobody>/health_checks", "404 PROVIDER_NOT_FOUND"),
    ("/v1.0/providers/<nobody>/stats", "404 PROVIDER_NOT_FOUND"),
    ("/v1.0/timelines/providers/<nobody>/events", "404 PROVIDER_NOT_FOUND"),
    ("/v1.0/routes/<nobody>", "404 ROUTE_NOT_FOUND"),
    ("/v1.0/calls/<nobody>", "404 CALL_NOT_FOUND"),
    ("/v1.0/groupcalls/<nobody>", "404 GROUPCALL_NOT_FOUND"),
    ("/v1.0/timelines/groupcalls/<nobody>/events", "404 GROUPCALL_NOT_FOUND"),
    ("/v1.0/recordings/<nobody>", "404 RECORDING_NOT_FOUND"),
    ("/v1.0/recordings/<nobody>/file", "404 RECORDING_NOT_FOUND"),
    ("/v1.0/recordings/<erased>/file", "404 RECORDING_NOT_FOUND"),
    ("/v1.0/flows/<nobody>", "404 FLOW_NOT_FOUND"),
    ("/v1.0/accesskeys/<nobody>", "404 ACCESSKEY_NOT_FOUND"),
    ("/v1.0/timelines/calls/<nobody>/events", "404 CALL_NOT_FOUND"),
    ("/v1.0/timelines/calls/<nobody>/pcap", "404 CALL_NOT_FOUND"),
    ("/v1.0/timelines/calls/<nobody>/sip-analysis", "404 CALL_NOT_FOUND"),
    ("/v1.0/nothing", "404 ROUTE_NOT_FOUND"),
    ("/v1.0", "404 ROUTE_NOT_FOUND"),
    ("/v1.0/", "404 ROUTE_NOT_FOUND"),
    ("/", "404 ROUTE_NOT_FOUND"),
    ("/v2.0/providers", "404 ROUTE_NOT_FOUND"),
    ("//v1.0/providers", "404 ROUTE_NOT_FOUND"),
    ("/v1.0//providers", "404 ROUTE_NOT_FOUND"),
    ("/v1.0/providers/%2e%2e/providers", "404 ROUTE_NOT_FOUND"),
    # Ids that are none, however they are encoded.
    ("/v1.0/providers/x", "400 INVALID_ID"),
    ("/v1.0/providers/a%2Fb", "400 INVALID_ID"),
    ("/v1.0/providers/<provider>%2F", "400 INVALID_ID"),
    ("/v1.0/providers/<provider>:x", "400 INVALID_ID"),
    ("/v1.0/providers/<provider>+", "400 INVALID_ID"),
    ("/v1.0/calls/%7B<call>%7D", "400 INVALID_ID"),
    ("/v1.0/calls/<call>%20", "400 INVALID_ID"),
    ("/v1.0/calls/%C3%A9", "400 INVALID_ID"),
    ("/v1.0/calls?provider_id=x", "400 INVALID_ID"),
    ("/v1.0/timelines/calls/x/events", "400 INVALID_ID"),
    ("/v1.0/timelines/conferences/<call>/events", "400 INVALID_RESOURCE_TYPE"),
    ("/v1.0/timelines/calls%2Fx/%2F/events", "400 INVALID_RESOURCE_TYPE"),
    # Parameters that are none.
    ("/v1.0/providers?page_size=-1", "400 PAGE_SIZE_INVALID"),
    ("/v1.0/providers?page_size=x", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers?page_size=", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers?page_size=%205", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers?page_size=5.0", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers?page_size=1e1", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers?page_size=2147483648", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers?page_size=1;page_token=x", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers?page_token=%25%25", "400 PAGE_TOKEN_INVALID"),
    ("/v1.0/providers?page_token=%ZZ", "400 PAGE_TOKEN_INVALID"),
    ("/v1.0/providers?page_token=a+b", "400 PAGE_TOKEN_INVALID"),
    ("/v1.0/providers?colour=red", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/providers/<provider>/stats?window=2h", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?status=dancing", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?status=HANGUP", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?status=9", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=yesterday", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=2026-01-01", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=2026-01-01t00:00:00z", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=2026-01-01T24:00:00Z", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=0000-01-01T00:00:00Z", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=2026-01-01T00:00:00.1234567891Z", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=2026-01-01T00:00:00.%D9%A3Z", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/calls?created_after=%222026-01-01T00:00:00Z%22", "400 INVALID_REQUEST_PARAMETER"),
    ("/v1.0/aggregated-events", "400 MISSING_REQUEST_PARAMETER"),
    (
        "/v1.0/aggregated-events?call_id=<call>&activeflow_id=<activeflow>",
        "400 INVALID_REQUEST_PARAMETER",
    ),
)

PROVIDERS: Final = "/v1.0/providers"
NO_ROUTE: Final = {"customer_id": EVERYBODY, "provider_id": NOBODY, "target": "all"}
NO_CALL: Final = {"provider_id": NOBODY, "destinations": [{"type": "tel", "target": NUMBER}]}
OTHERS: Final[tuple[tuple[str, str, Any, str], ...]] = (
    # Bodies that are none.
    ("POST", PROVIDERS, b"{", "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b"[]", "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b"3", "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b"null", "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b'""', "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b"{}{}", "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b"{" * 200, "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b'{"hostname":""}//x', "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b'\xef\xbb\xbf{"hostname":""}', "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b'{"hostname":"\xff"}', "400 INVALID_JSON_BODY"),
    ("POST", PROVIDERS, b'{"hostname":"\\ud800"}', "400 INVALID_JSON_BODY"),
    ("POST", "/v1.0/activeflows/<activeflow>/stop", b"{", "400 INVALID_JSON_BODY"),
    # Files that are none.
    ("POST", "/v1.0/audio_files", b"", "400 AUDIO_FILE_INVALID"),
    ("POST", "/v1.0/audio_files", b'{"file": "x"}', "400 AUDIO_FILE_INVALID"),
    ("POST", "/v1.0/audio_files?name=" + "n" * 255, b"RIFF", "400 AUDIO_FILE_INVALID"),
    # Fields that are none.
    ("POST", PROVIDERS, b"", "400 INVALID_HOSTNAME"),
    ("POST", PROVIDERS, b" {} ", "400 INVALID_HOSTNAME"),
    ("POST", PROVIDERS, {}, "400 INVALID_HOSTNAME"),
    ("POST", PROVIDERS, {"hostname": None}, "400 INVALID_HOSTNAME"),
    ("POST", PROVIDERS, {"hostname": "", "type": None}, "400 INVALID_HOSTNAME"),
    ("POST", PROVIDERS, {"hostname": "x" * 300}, "400 INVALID_HOSTNAME"),
    ("POST", PROVIDERS, {"hostname": 1}, "400 INVALID_ARGUMENT"),
    ("POST", PROVIDERS, {"hostname": "a.example", "type": "h323"}, "400 INVALID_ARGUMENT"),
    ("POST", PROVIDERS, {"hostname": "a.example", "type": "SIP"}, "400 INVALID_ARGUMENT"),
    ("POST", PROVIDERS, {"hostname": "a\0b"}, "400 INVALID_ARGUMENT"),
    ("POST", PROVIDERS, {"tech_headers": []}, "400 INVALID_ARGUMENT"),
    ("POST", PROVIDERS, {"codecs": "PCMU,,", "hostname": "a.example"}, "400 INVALID_CODECS"),
    ("POST", "/v1.0/routes", {"customer_id": "x"}, "400 INVALID_ID"),
    ("POST", "/v1.0/routes", {"target": "nowhere"}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/routes", {**NO_ROUTE, "priority": 1.5}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/routes", {**NO_ROUTE, "priority": 2**31}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/routes", {**NO_ROUTE, "priority": 5.0}, "404 PROVIDER_NOT_FOUND"),
    ("POST", "/v1.0/routes", NO_ROUTE, "404 PROVIDER_NOT_FOUND"),
    ("POST", "/v1.0/flows", {"name": "x" * 3000}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/flows", {"actions": [{"type": "dance"}]}, "400 INVALID_ACTION_TYPE"),
    ("POST", "/v1.0/flows", {"actions": [{"option": [1]}]}, "400 INVALID_ARGUMENT"),
    (
        "POST",
        "/v1.0/flows",
        {"actions": [{"type": "sleep", "option": {"duration": -1, "x": [None, {"y": "é"}]}}]},
        "400 INVALID_ACTION_OPTION",
    ),
    ("POST", "/v1.0/activeflows", {"flow_id": NOBODY}, "404 FLOW_NOT_FOUND"),
    ("POST", "/v1.0/activeflows", {"actions": [{"type": "beep"}]}, "400 ACTION_NEEDS_CALL"),
    ("POST", "/v1.0/calls", {"variables": {"a": "x" * 40_000}}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/providercalls", {"destinations": [{"type": "x"}]}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/providercalls", {"anonymous": "maybe"}, "400 INVALID_ANONYMOUS_VALUE"),
    ("POST", "/v1.0/providercalls", NO_CALL, "404 PROVIDER_NOT_FOUND"),
    ("POST", "/v1.0/numbers", {"number": "+12025550100"}, "409 NUMBER_IN_USE"),
    ("POST", "/v1.0/outbound_configs", {"customer_id": "<customer>"}, "409 OUTBOUND_CONFIG_EXISTS"),
    ("PUT", "/v1.0/outbound_config", {"destination_whitelist": ["xx"]}, "400 INVALID_COUNTRY_CODE"),
    ("PUT", "/v1.0/outbound_config", {"codecs": "P" * 300}, "400 INVALID_CODECS"),
    (
        "PUT",
        "/v1.0/outbound_config",
        {"allowed_number_types": ["x"]},
        "400 INVALID_NUMBER_TYPE",
    ),
    ("PUT", "/v1.0/providers/x", {"name": "a"}, "400 INVALID_ID"),
    ("PUT", "/v1.0/providers/setup", {"name": "a"}, "400 INVALID_ID"),
    ("PUT", "/v1.0/providers/<provider>", {"hostname": "a b"}, "400 INVALID_HOSTNAME"),
    ("PUT", "/v1.0/providers/<gone>", {"name": "a"}, "404 PROVIDER_NOT_FOUND"),
    ("DELETE", "/v1.0/providers/<nobody>?if_unused=false", None, "404 PROVIDER_NOT_FOUND"),
    (
        "DELETE",
        "/v1.0/providers/<nobody>?if_unused=",
        None,
        "400 INVALID_REQUEST_PARAMETER",
    ),
    ("POST", "/v1.0/providers/setup", {"carrier": "x"}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/provider_setups/<nobody>/teardown", {}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/accesskeys", {"expire": 1}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/accesskeys", {"expire": 86_400, "rpcs": ["x"]}, "400 RPC_UNKNOWN"),
    ("POST", "/v1.0/agents", {"username": "x", "password": "short"}, "400 INVALID_ARGUMENT"),
    # What is asked with a body, and changes nothing.
    ("POST", "/v1.0/dialroutes/explain", {"destination": NUMBER}, "200"),
    ("POST", "/v1.0/dialroutes/explain", {"destination": "x"}, "400 INVALID_DESTINATION_NUMBER"),
    ("POST", "/v1.0/dialroutes/explain", {"provider_ids": ["x"]}, "400 INVALID_ID"),
    ("POST", "/v1.0/providers/<provider>/lint", {}, "200"),
    ("POST", "/v1.0/providers/<provider>/lint", None, "200"),
    ("POST", "/v1.0/providers/<gone>/health_checks", {}, "404 PROVIDER_NOT_FOUND"),
    ("POST", "/v1.0/calls/<call>/hangup", None, "200"),
    ("POST", "/v1.0/calls/<call>/hangup", b"", "200"),
    ("POST", "/v1.0/calls/<call>/hangup", {}, "200"),
    ("POST", "/v1.0/calls/<call>/talk", {"text": ""}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/calls/<call>/talk", {"text": "x", "provider": "y"}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/calls/<call>/recording_start", {"format": "mp3"}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/calls/<call>/recording_start", {"end_of_key": "x"}, "400 INVALID_ARGUMENT"),
    ("DELETE", "/v1.0/recordings/<erased>", None, "200"),
    ("POST", "/v1.0/activeflows/<activeflow>/stop", {}, "200"),
    ("GET", "/v1.0/providers/<provider>", {}, "200"),
)

CALLERS: Final = (
    ("GET", "/v1.0/providers", "", "401 AUTHENTICATION_REQUIRED"),
    ("GET", "/v1.0/nothing", "", "404 ROUTE_NOT_FOUND"),
    ("GET", "/v1.0/providers", "customer_admin", "403 PERMISSION_DENIED"),
    ("GET", "/v1.0/providers/x", "customer_admin", "403 PERMISSION_DENIED"),
    ("GET", "/v1.0/flows/<flow>", "customer_admin", "404 FLOW_NOT_FOUND"),
    ("GET", "/v1.0/calls", "customer_admin", "200"),
    ("GET", "/v1.0/customer", "customer_admin", "200"),
    ("POST", "/auth/delegate", "", "401 AUTHENTICATION_REQUIRED"),
)


async def compared(house: House, request: Request, expected: str) -> None:
    ours, envoys = await house.court.both(request)
    assert ours.outcome == expected, ours
    if envoys.own:
        # Its own refusals are plain text; that they are refusals is what can be compared.
        assert ours.status == envoys.status, envoys
    else:
        assert ours == envoys


@pytest.mark.parametrize(("path", "expected"), [*GETS, *money.GETS])
async def test_it_is_shown_as_the_referee_shows_it(house: House, path: str, expected: str) -> None:
    await compared(house, house.request("GET", path), expected)


@pytest.mark.parametrize(("method", "path", "body", "expected"), [*OTHERS, *money.OTHERS])
async def test_it_is_read_as_the_referee_reads_it(
    house: House, method: str, path: str, body: Any, expected: str
) -> None:
    await compared(house, house.request(method, path, body), expected)


@pytest.mark.parametrize(("method", "path", "role", "expected"), [*CALLERS, *money.CALLERS])
async def test_whoever_asks_hears_the_same(
    house: House, method: str, path: str, role: str, expected: str
) -> None:
    await compared(house, house.request(method, path, role=role), expected)
