"""A minimal valid request for every public RPC."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from tests.conformance.asking import (
    DAY_S,
    SOUND,
    Example,
    Request,
    a_billing,
    a_call_of_its_own,
    a_config,
    a_delegation,
    a_deleted_carrier,
    a_flow,
    a_frozen_account,
    a_groupcall,
    a_key,
    a_new_agent,
    a_new_carrier,
    a_new_config,
    a_new_rate,
    a_number,
    a_paid_account,
    a_password,
    a_provider,
    a_rate,
    a_record,
    a_route,
    a_setup_that_failed,
    a_sign_in,
    a_virtual_number,
    an_account,
    an_activeflow,
    an_agent,
    an_audio_file,
    fixed,
    of_town,
    on_new,
    recover,
    some_limits,
)
from tests.conformance.town import NUMBER, Town, tel
from tests.support.telnyx import KEY

NAME: Final = {"name": "renamed"}
BY_CALL: Final = of_town(lambda town: Request({"id": town.call_id}))
BY_RECORD: Final = of_town(lambda town: Request({"id": town.record_id}))
BY_RECORDING: Final = of_town(lambda town: Request({"id": town.recording_id}))
BY_PROVIDER: Final = of_town(lambda town: Request({"id": town.provider_id}))
LIST: Final = Example(fixed())

ACCOUNT: Final = {
    "AccessKeyService.AccessKeyCreate": Example(fixed({"expire": DAY_S})),
    "AccessKeyService.AccessKeyGet": Example(on_new(a_key), owned=True),
    "AccessKeyService.AccessKeyList": LIST,
    "AccessKeyService.AccessKeyUpdate": Example(on_new(a_key, NAME), owned=True),
    "AccessKeyService.AccessKeyDelete": Example(on_new(a_key), owned=True),
    "AgentService.AgentCreate": Example(a_new_agent),
    "AgentService.AgentGet": Example(on_new(an_agent), owned=True),
    "AgentService.AgentList": LIST,
    "AgentService.AgentUpdate": Example(on_new(an_agent, NAME), owned=True),
    "AgentService.AgentPasswordUpdate": Example(a_password, owned=True),
    "AgentService.AgentPermissionUpdate": Example(on_new(an_agent, {"permission": 64}), owned=True),
    "AgentService.AgentDelete": Example(on_new(an_agent), owned=True),
    "AuthService.AuthLogin": Example(a_sign_in),
    "AuthService.AuthDelegate": Example(a_delegation),
    "CustomerService.CustomerCreate": Example(fixed({"name": "New"})),
    "CustomerService.CustomerGet": Example(of_town(lambda town: Request({"id": town.customer_id}))),
    "CustomerService.CustomerList": LIST,
    "CustomerService.CustomerUpdate": Example(on_new(Town.a_customer, NAME)),
    "CustomerService.CustomerDelete": Example(on_new(Town.a_customer)),
    "CustomerService.OwnCustomerGet": LIST,
    "CustomerService.OwnCustomerUpdate": Example(fixed(NAME)),
    "CustomerService.CustomerUnregister": Example(fixed(), afterwards=recover),
    "CustomerService.CustomerRecover": Example(a_frozen_account),
}
MONEY: Final = {
    "BillingAccountService.BillingAccountOwnGet": LIST,
    "BillingAccountService.BillingAccountCreate": Example(a_new_config),
    "BillingAccountService.BillingAccountGet": Example(on_new(an_account)),
    "BillingAccountService.BillingAccountList": LIST,
    "BillingAccountService.BillingAccountUpdate": Example(on_new(an_account, {"status": "frozen"})),
    "BillingAccountService.BillingAccountBalanceAddForce": Example(
        on_new(an_account, {"amount": "25.00", "detail": "cash"})
    ),
    "BillingAccountService.BillingAccountBalanceSubtractForce": Example(
        on_new(a_paid_account, {"amount": "0.000001"})
    ),
    "BillingService.BillingGet": Example(a_billing, owned=True),
    "BillingService.BillingList": LIST,
    "CallLimitService.CallLimitOwnGet": LIST,
    "CallLimitService.CallLimitGet": Example(
        of_town(lambda town: Request({"customer_id": town.customer_id}))
    ),
    "CallLimitService.CallLimitUpdate": Example(some_limits),
    "DialingService.DialingGet": LIST,
    "DialingService.DialingUpdate": Example(fixed({"enabled": True})),
    "RateService.RateCreate": Example(a_new_rate),
    "RateService.RateGet": Example(on_new(a_rate)),
    "RateService.RateList": LIST,
    "RateService.RateUpdate": Example(on_new(a_rate, {"price_per_minute": "0.02"})),
    "RateService.RateDelete": Example(on_new(a_rate)),
    "RateService.RateQuote": Example(of_town(lambda _: Request(query={"destination": NUMBER}))),
}
CALL: Final = {
    **MONEY,
    "AudioFileService.AudioFileCreate": Example(fixed(SOUND)),
    "AudioFileService.AudioFileGet": Example(on_new(an_audio_file), owned=True),
    "AudioFileService.AudioFileList": LIST,
    "AudioFileService.AudioFileDelete": Example(on_new(an_audio_file), owned=True),
    "AudioFileService.AudioFileContentGet": Example(on_new(an_audio_file), owned=True),
    "CallService.CallCreate": Example(a_call_of_its_own),
    "CallService.CallGet": Example(BY_CALL, owned=True),
    "CallService.CallList": LIST,
    "CallService.CallHangup": Example(BY_CALL, owned=True),
    "CallService.CallDelete": Example(BY_CALL, owned=True),
    "CallService.CallTalk": Example(on_new(Town.a_live_call, {"text": "Hi."}), owned=True),
    "CallService.CallRecordingStart": Example(on_new(Town.a_live_call, {}), owned=True),
    "CallService.CallRecordingStop": Example(on_new(Town.a_live_call), owned=True),
    "FailoverService.ProviderFailoverGet": Example(BY_PROVIDER),
    "GroupcallService.GroupcallCreate": Example(a_call_of_its_own),
    "GroupcallService.GroupcallGet": Example(on_new(a_groupcall), owned=True),
    "GroupcallService.GroupcallList": LIST,
    "GroupcallService.GroupcallHangup": Example(on_new(a_groupcall), owned=True),
    "GroupcallService.GroupcallDelete": Example(on_new(a_groupcall), owned=True),
    "GroupcallService.GroupcallEventList": Example(on_new(a_groupcall), owned=True),
    "NumberService.NumberCreate": Example(a_virtual_number),
    "NumberService.NumberGet": Example(on_new(a_number), owned=True),
    "NumberService.NumberList": LIST,
    "NumberService.NumberUpdate": Example(on_new(a_number, NAME), owned=True),
    "NumberService.NumberFlowIdsUpdate": Example(on_new(a_number, {}), owned=True),
    "NumberService.NumberDelete": Example(on_new(a_number), owned=True),
    "OutboundConfigService.OutboundConfigOwnGet": LIST,
    "OutboundConfigService.OutboundConfigOwnUpdate": Example(fixed(NAME)),
    "OutboundConfigService.OutboundConfigCreate": Example(a_new_config),
    "OutboundConfigService.OutboundConfigGet": Example(on_new(a_config)),
    "OutboundConfigService.OutboundConfigList": LIST,
    "OutboundConfigService.OutboundConfigUpdate": Example(on_new(a_config, NAME)),
    "OutboundConfigService.OutboundConfigDelete": Example(on_new(a_config)),
    "ProviderStatsService.ProviderStatsGet": Example(BY_PROVIDER),
    "RecordingService.RecordingGet": Example(BY_RECORDING, owned=True),
    "RecordingService.RecordingList": LIST,
    "RecordingService.RecordingFileGet": Example(BY_RECORDING, owned=True),
    "RecordingService.RecordingDelete": Example(on_new(Town.a_recording), owned=True),
    "TimelineService.CallEventList": Example(BY_CALL, owned=True),
    "TimelineService.ResourceEventList": Example(
        fixed(resource_type="conferences", id=str(uuid4())), answer=400
    ),
    "TimelineService.AggregatedEventList": Example(
        of_town(lambda town: Request(query={"call_id": town.call_id})), owned=True
    ),
    "TimelineService.SipAnalysisGet": Example(BY_CALL, owned=True),
    "TimelineService.PcapGet": Example(BY_CALL, owned=True),
}
FLOW: Final = {
    "ActiveflowService.ActiveflowCreate": Example(fixed({"actions": []})),
    "ActiveflowService.ActiveflowGet": Example(on_new(an_activeflow), owned=True),
    "ActiveflowService.ActiveflowList": LIST,
    "ActiveflowService.ActiveflowStop": Example(on_new(an_activeflow), owned=True),
    "ActiveflowService.ActiveflowDelete": Example(on_new(an_activeflow), owned=True),
    "FlowService.FlowCreate": Example(fixed({"name": "f", "actions": []})),
    "FlowService.FlowGet": Example(on_new(a_flow), owned=True),
    "FlowService.FlowList": LIST,
    "FlowService.FlowUpdate": Example(on_new(a_flow, NAME), owned=True),
    "FlowService.FlowDelete": Example(on_new(a_flow), owned=True),
    "TimelineService.FlowEventList": Example(on_new(a_flow), owned=True),
    "TimelineService.ActiveflowEventList": Example(on_new(an_activeflow), owned=True),
}
ROUTE: Final = {
    "ProviderCallService.ProviderCallCreate": Example(
        of_town(
            lambda town: Request(
                body={
                    "provider_id": town.provider_id,
                    "source": tel("+12025550100"),
                    "destinations": [tel(NUMBER)],
                }
            )
        )
    ),
    "ProviderCallService.ProviderCallGet": Example(BY_RECORD),
    "ProviderCallService.ProviderCallList": LIST,
    "ProviderCallService.ProviderCallDelete": Example(on_new(a_record)),
    "ProviderCallService.ProviderCallHangup": Example(BY_RECORD),
    "ProviderHealthService.ProviderHealthCheckList": Example(BY_PROVIDER),
    "ProviderHealthService.ProviderHealthCheckCreate": Example(BY_PROVIDER),
    "ProviderHealthService.ProviderEventList": Example(BY_PROVIDER),
    "ProviderService.ProviderCreate": Example(
        fixed(
            {
                "type": "sip",
                "hostname": "127.0.0.1:5070",
                "name": "p",
                "transport": "tcp",
                "outbound_proxy": "127.0.0.1:5071",
                "session_expires": 1800,
                "number_format": "digits",
                "failover_codes": ["503", "unreachable"],
                "health_codes": ["2xx", "404"],
            }
        )
    ),
    "ProviderService.ProviderGet": Example(BY_PROVIDER),
    "ProviderService.ProviderList": LIST,
    "ProviderService.ProviderUpdate": Example(
        on_new(
            a_provider, {"transport": "tcp", "session_expires": 1800, "failover_codes": ["none"]}
        )
    ),
    "ProviderService.ProviderDelete": Example(on_new(a_provider)),
    "ProviderService.ProviderLint": Example(BY_PROVIDER),
    "ProviderSetupService.ProviderSetup": Example(a_new_carrier),
    "ProviderSetupService.ProviderTeardown": Example(
        on_new(a_deleted_carrier, {"credentials": {"api_key": KEY}})
    ),
    "ProviderSetupService.ProviderSetupList": LIST,
    "ProviderSetupService.ProviderSetupTeardown": Example(a_setup_that_failed),
    "RouteService.RouteCreate": Example(
        of_town(
            lambda town: Request(
                body={
                    "customer_id": town.customer_id,
                    "provider_id": town.provider_id,
                    "target": "+81",
                }
            )
        )
    ),
    "RouteService.RouteGet": Example(on_new(a_route)),
    "RouteService.RouteList": LIST,
    "RouteService.RouteUpdate": Example(on_new(a_route, NAME)),
    "RouteService.RouteDelete": Example(on_new(a_route)),
    "RouteService.DialrouteExplain": Example(fixed({"destination": NUMBER})),
}
BY_PACKAGE: Final = {"account": ACCOUNT, "call": CALL, "flow": FLOW, "route": ROUTE}
EXAMPLES: Final = {
    f"voipbin.{package}.v1.{name}": example
    for package, examples in (
        ("account", ACCOUNT),
        ("call", CALL),
        ("flow", FLOW),
        ("route", ROUTE),
    )
    for name, example in examples.items()
}
"""By the full name of the RPC; an RPC that has none fails the matrix."""
