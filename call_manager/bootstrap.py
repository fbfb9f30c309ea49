"""The only file that constructs things."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from voipbin.call.v1 import (
    audio_file_service_pb2,
    audio_file_service_pb2_grpc,
    billing_account_service_pb2,
    billing_account_service_pb2_grpc,
    billing_service_pb2,
    billing_service_pb2_grpc,
    call_limit_service_pb2,
    call_limit_service_pb2_grpc,
    call_service_pb2,
    call_service_pb2_grpc,
    dialing_service_pb2,
    dialing_service_pb2_grpc,
    failover_service_pb2,
    failover_service_pb2_grpc,
    groupcall_service_pb2,
    groupcall_service_pb2_grpc,
    number_service_pb2,
    number_service_pb2_grpc,
    outbound_config_service_pb2,
    outbound_config_service_pb2_grpc,
    probe_service_pb2,
    probe_service_pb2_grpc,
    provider_stats_service_pb2,
    provider_stats_service_pb2_grpc,
    rate_service_pb2,
    rate_service_pb2_grpc,
    recording_service_pb2,
    recording_service_pb2_grpc,
    timeline_service_pb2,
    timeline_service_pb2_grpc,
)
from voipbin.flow.v1 import activeflow_service_pb2, flow_service_pb2
from voipbin.flow.v1 import timeline_service_pb2 as flow_timeline_pb2
from voipbin.flow.v1.activeflow_service_pb2_grpc import ActiveflowServiceStub
from voipbin.flow.v1.timeline_service_pb2_grpc import TimelineServiceStub
from voipbin.route.v1 import provider_service_pb2, route_service_pb2
from voipbin.route.v1.provider_service_pb2_grpc import ProviderServiceStub
from voipbin.route.v1.route_service_pb2_grpc import RouteServiceStub

from call_manager.audio_file.rpc import AudioFileRpc
from call_manager.audio_file.service import AudioFileService
from call_manager.billing.consistency import LedgerCheck
from call_manager.billing.gate import Gate
from call_manager.billing_account.rpc import BillingAccountRpc, BillingRpc
from call_manager.billing_account.service import BillingAccountService
from call_manager.call import rules
from call_manager.call.numbers import StoredNumbers
from call_manager.call.orders import OrderService
from call_manager.call.routes import RemoteRoutes
from call_manager.call.rpc import CallRpc
from call_manager.call.service import CallService
from call_manager.call_limit.rpc import CallLimitRpc
from call_manager.call_limit.service import CallLimitService
from call_manager.dialer import Dialer, Peers
from call_manager.dialing.rpc import DialingRpc
from call_manager.groupcall.rpc import GroupcallRpc
from call_manager.groupcall.service import GroupcallService
from call_manager.number.rpc import NumberRpc
from call_manager.number.service import NumberService
from call_manager.outbound_config.rpc import OutboundConfigRpc
from call_manager.outbound_config.service import OutboundConfigService
from call_manager.placement.flows import Flows
from call_manager.placement.placements import Placements
from call_manager.placement.saga import SagaParts
from call_manager.placement.service import PlacementService
from call_manager.probe.rpc import ProbeRpc
from call_manager.probe.service import ProbeService
from call_manager.provider_failover.rpc import FailoverRpc
from call_manager.provider_stats.rpc import StatsRpc
from call_manager.provider_stats.service import StatsService
from call_manager.rate.rpc import RateRpc
from call_manager.rate.service import RateService
from call_manager.recording.rpc import RecordingRpc
from call_manager.recording.service import RecordingService
from call_manager.settings import CallSettings
from call_manager.sip.channel import SipChannel
from call_manager.sound.library import SoundLibrary
from call_manager.speech.speaker import Speaker
from call_manager.speech.voices import voices
from call_manager.timeline.events import EventService
from call_manager.timeline.rpc import TimelineRpc
from call_manager.timeline.service import TimelineService
from mesh.clients import MeshChannel, channel
from mesh.clock import Clock, SystemClock
from mesh.database import Database
from mesh.fetching import Fetcher
from mesh.node import Node, Servicer

NAME: Final = "call_manager"
"""The service's name: its peer name, and its database's."""

PLACEMENTS_GRACE_S: Final = 2.0
"""What placements get to end at the stop; the next start takes up what does not."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The folder of the schema's revisions."""


def build(settings: CallSettings) -> Node:
    """Construct the service."""
    clock = SystemClock()
    database = Database(settings.database_url_for(NAME), migrations=MIGRATIONS)
    route_manager, flow_manager = _peers(settings)
    flows, events = Flows(flow_manager), TimelineServiceStub(flow_manager)
    sip = SipChannel(settings.sip(), clock=clock)
    audio_files = AudioFileService(database, clock)
    asked = Peers(
        ProviderServiceStub(route_manager),
        ActiveflowServiceStub(flow_manager),
        Speaker(voices(settings.speech)),
        SoundLibrary(Fetcher(private_hosts=settings.lab), audio_files),
    )
    dialer = Dialer(database, sip, asked, clock=clock, settings=settings.dialer())
    routes = RemoteRoutes(RouteServiceStub(route_manager))
    numbers = StoredNumbers(database, lab=settings.lab)
    judges = rules.rules(
        routes, numbers, private_hosts=settings.lab, toll_fraud=settings.blocked_prefixes()
    )
    gate = Gate(clock, settings.call_duration_max_s)
    calls = CallService(database, judges, clock, dialling=dialer, gate=gate)
    parts = SagaParts(database, calls, flows, clock)
    placements = Placements(parts, grace_s=PLACEMENTS_GRACE_S)
    placing = PlacementService(parts, placements, timedelta(seconds=settings.dial_window_s))
    return Node(
        settings,
        name=NAME,
        package="voipbin.call.v1",
        servicers=[
            *_of_calls(
                CallRpc(calls, placing, OrderService(database, dialer)),
                GroupcallRpc(GroupcallService(database, clock, dialer), placing),
                TimelineRpc(TimelineService(database), EventService(database, events)),
            ),
            *_of_customers(
                NumberService(database, flows, clock),
                OutboundConfigService(database, clock, lab=settings.lab),
            ),
            *_of_audio(RecordingService(database, clock), audio_files),
            *_of_carriers(
                ProbeService(sip, probes_max=settings.probes_max),
                StatsService(database),
                ProviderServiceStub(route_manager),
                clock,
            ),
            *_of_money(database, clock, lab=settings.lab),
        ],
        # The dialer starts the SIP channel itself, and must find both peers and the database.
        owns=[database, route_manager, flow_manager, dialer, placements, LedgerCheck(database)],
        extra=lambda: {"sip": sip.address},
    )


def _of_calls(calls: CallRpc, groupcalls: GroupcallRpc, timeline: TimelineRpc) -> list[Servicer]:
    """Return what serves calls, and what became of them."""
    return [
        (
            call_service_pb2_grpc.add_CallServiceServicer_to_server,
            calls,
            call_service_pb2.DESCRIPTOR,
        ),
        (
            groupcall_service_pb2_grpc.add_GroupcallServiceServicer_to_server,
            groupcalls,
            groupcall_service_pb2.DESCRIPTOR,
        ),
        (
            timeline_service_pb2_grpc.add_TimelineServiceServicer_to_server,
            timeline,
            timeline_service_pb2.DESCRIPTOR,
        ),
    ]


def _of_customers(numbers: NumberService, configs: OutboundConfigService) -> list[Servicer]:
    """Return what serves the customers' own numbers and rules."""
    return [
        (
            number_service_pb2_grpc.add_NumberServiceServicer_to_server,
            NumberRpc(numbers),
            number_service_pb2.DESCRIPTOR,
        ),
        (
            outbound_config_service_pb2_grpc.add_OutboundConfigServiceServicer_to_server,
            OutboundConfigRpc(configs),
            outbound_config_service_pb2.DESCRIPTOR,
        ),
    ]


def _of_audio(recordings: RecordingService, files: AudioFileService) -> list[Servicer]:
    """Return what serves recordings, and the sounds that calls play."""
    return [
        (
            recording_service_pb2_grpc.add_RecordingServiceServicer_to_server,
            RecordingRpc(recordings),
            recording_service_pb2.DESCRIPTOR,
        ),
        (
            audio_file_service_pb2_grpc.add_AudioFileServiceServicer_to_server,
            AudioFileRpc(files),
            audio_file_service_pb2.DESCRIPTOR,
        ),
    ]


def _of_carriers(
    probes: ProbeService, stats: StatsService, providers: ProviderServiceStub, clock: Clock
) -> list[Servicer]:
    return [
        (
            failover_service_pb2_grpc.add_FailoverServiceServicer_to_server,
            FailoverRpc(providers),
            failover_service_pb2.DESCRIPTOR,
        ),
        (
            probe_service_pb2_grpc.add_ProbeServiceServicer_to_server,
            ProbeRpc(probes),
            probe_service_pb2.DESCRIPTOR,
        ),
        (
            provider_stats_service_pb2_grpc.add_ProviderStatsServiceServicer_to_server,
            StatsRpc(stats, providers, clock),
            provider_stats_service_pb2.DESCRIPTOR,
        ),
    ]


def _of_money(database: Database, clock: Clock, *, lab: bool) -> list[Servicer]:
    """Return what serves money, rates and limits, and the kill switch."""
    accounts = BillingAccountService(database, clock, lab=lab)
    return [
        (
            billing_account_service_pb2_grpc.add_BillingAccountServiceServicer_to_server,
            BillingAccountRpc(accounts, clock),
            billing_account_service_pb2.DESCRIPTOR,
        ),
        (
            billing_service_pb2_grpc.add_BillingServiceServicer_to_server,
            BillingRpc(accounts),
            billing_service_pb2.DESCRIPTOR,
        ),
        (
            rate_service_pb2_grpc.add_RateServiceServicer_to_server,
            RateRpc(RateService(database, clock)),
            rate_service_pb2.DESCRIPTOR,
        ),
        (
            call_limit_service_pb2_grpc.add_CallLimitServiceServicer_to_server,
            CallLimitRpc(CallLimitService(database, accounts, clock), clock),
            call_limit_service_pb2.DESCRIPTOR,
        ),
        (
            dialing_service_pb2_grpc.add_DialingServiceServicer_to_server,
            DialingRpc(database, clock),
            dialing_service_pb2.DESCRIPTOR,
        ),
    ]


def _peers(settings: CallSettings) -> tuple[MeshChannel, MeshChannel]:
    """Return the channels to route_manager and to flow_manager."""
    token = settings.peer_token()
    route_manager = channel(
        settings.route_manager_address,
        route_service_pb2.DESCRIPTOR,
        provider_service_pb2.DESCRIPTOR,
        token=token,
    )
    flow_manager = channel(
        settings.flow_manager_address,
        activeflow_service_pb2.DESCRIPTOR,
        flow_service_pb2.DESCRIPTOR,
        flow_timeline_pb2.DESCRIPTOR,
        token=token,
    )
    return route_manager, flow_manager
