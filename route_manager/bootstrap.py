"""The only file that constructs things."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from voipbin.call.v1 import call_service_pb2, groupcall_service_pb2, probe_service_pb2
from voipbin.flow.v1 import flow_service_pb2
from voipbin.route.v1 import (
    provider_call_service_pb2,
    provider_call_service_pb2_grpc,
    provider_health_service_pb2,
    provider_health_service_pb2_grpc,
    provider_service_pb2,
    provider_service_pb2_grpc,
    provider_setup_service_pb2,
    provider_setup_service_pb2_grpc,
    route_service_pb2,
    route_service_pb2_grpc,
)

from mesh.clients import MeshChannel, channel
from mesh.clock import Clock, SystemClock
from mesh.database import Database
from mesh.node import Node, Servicer
from mesh.sealing import Sealer
from route_manager.carrier.domain import PublicSipAddress
from route_manager.carrier.registry import Carriers
from route_manager.carrier.rpc import ProviderSetupRpc
from route_manager.carrier.service import ProviderSetupService, SetupParts
from route_manager.carrier.telnyx import TelnyxCarrier
from route_manager.carrier.warnings import carrier_side_left
from route_manager.health.checker import Checker, CheckParts
from route_manager.health.domain import Rhythm, Thresholds
from route_manager.health.loop import HealthLoop, LoopParts
from route_manager.health.prober import ANSWER_RESERVE_S, Prober
from route_manager.health.rpc import HealthRpc
from route_manager.health.service import HealthService
from route_manager.provider.keeper import Keeper, key_file
from route_manager.provider.linter import Linter
from route_manager.provider.rpc import ProviderRpc
from route_manager.provider.service import ProviderParts, ProviderService
from route_manager.provider.vault import Vault
from route_manager.providercall.admission import Admission
from route_manager.providercall.hangup import Hangup
from route_manager.providercall.peers import CallPeer, FlowPeer
from route_manager.providercall.rpc import ProviderCallRpc
from route_manager.providercall.saga import SagaParts
from route_manager.providercall.sagas import ProviderCallSagas
from route_manager.providercall.service import ProviderCallParts, ProviderCallService
from route_manager.route.rpc import RouteRpc
from route_manager.route.service import RouteService
from route_manager.settings import RouteSettings

NAME: Final = "route_manager"
"""The service's name: its peer name, and its database's."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""The folder of the schema's revisions."""


def build(settings: RouteSettings) -> Node:
    """Construct the service."""
    clock = SystemClock()
    database = Database(settings.database_url_for(NAME), migrations=MIGRATIONS)
    keys = key_file(settings.data_dir, settings.sealing_keys_file)
    sealer = Sealer(keys.path)
    vault = Vault(sealer)
    flow_channel, call_channel = _channels(settings)
    flows, calls = FlowPeer(flow_channel), CallPeer(call_channel)
    sagas = ProviderCallSagas(
        SagaParts(database, flows, calls, clock, vault),
        taken_up_max=settings.providercalls_taken_up_max,
        grace_s=settings.drain_grace_s,
    )
    provider_calls = ProviderCallService(
        ProviderCallParts(
            database,
            flows,
            sagas,
            Hangup(calls),
            Admission(settings.providercalls_max, sagas.__len__),
            clock,
        ),
        dial_window=timedelta(seconds=settings.dial_window_s),
    )
    providers = ProviderService(
        ProviderParts(
            database,
            clock,
            vault,
            Linter(clock, lab=settings.lab, dns_s=settings.lint_dns_s),
            carrier_side_left,
            lab=settings.lab,
        )
    )
    setups = ProviderSetupService(
        SetupParts(database, vault, clock, _carriers(settings), settings.carrier_setup_s)
    )
    routes, health = RouteService(database, clock), _health(settings, database, clock)
    return Node(
        settings,
        name=NAME,
        package="voipbin.route.v1",
        servicers=_servicers(providers, setups, routes, provider_calls, health.service),
        # The sagas start last and stop first: they need all the others.
        owns=[
            *(database, Keeper(database, sealer, keys), flow_channel, call_channel),
            *(health.channel, health.service, health.loop, setups, sagas),
        ],
    )


class _Health(NamedTuple):
    channel: MeshChannel
    service: HealthService
    loop: HealthLoop


def _health(settings: RouteSettings, database: Database, clock: Clock) -> _Health:
    # A channel of its own: a carrier may be silent for longer than any other answer takes.
    probes = channel(
        settings.call_manager_address,
        probe_service_pb2.DESCRIPTOR,
        token=settings.peer_token(),
        budget_s=settings.health_timeout_s + ANSWER_RESERVE_S,
    )
    rhythm = Rhythm(settings.health_interval_s, settings.health_timeout_s)
    thresholds = Thresholds(settings.health_failures, settings.health_successes)
    prober = Prober(probes, settings.health_timeout_s)
    checker = Checker(CheckParts(database, prober, clock, rhythm, thresholds))
    loop = LoopParts(
        database, checker, clock, settings.health_interval_s, settings.health_checks_max
    )
    return _Health(probes, HealthService(database, checker), HealthLoop(loop))


def _channels(settings: RouteSettings) -> tuple[MeshChannel, MeshChannel]:
    token, budget_s = settings.peer_token(), settings.peer_budget_s
    flows = channel(
        settings.flow_manager_address, flow_service_pb2.DESCRIPTOR, token=token, budget_s=budget_s
    )
    calls = channel(
        settings.call_manager_address,
        call_service_pb2.DESCRIPTOR,
        groupcall_service_pb2.DESCRIPTOR,
        token=token,
        budget_s=budget_s,
    )
    return flows, calls


def _carriers(settings: RouteSettings) -> Carriers:
    ours = None
    if settings.public_sip_fqdn is not None:
        ours = PublicSipAddress(settings.public_sip_fqdn, settings.public_sip_port)
    base_urls = {TelnyxCarrier.name: settings.telnyx_base_url}
    return Carriers(base_urls, ours, settings.carrier_request_s)


def _servicers(
    providers: ProviderService,
    setups: ProviderSetupService,
    routes: RouteService,
    provider_calls: ProviderCallService,
    health: HealthService,
) -> list[Servicer]:
    return [
        (
            provider_health_service_pb2_grpc.add_ProviderHealthServiceServicer_to_server,
            HealthRpc(health),
            provider_health_service_pb2.DESCRIPTOR,
        ),
        (
            provider_service_pb2_grpc.add_ProviderServiceServicer_to_server,
            ProviderRpc(providers),
            provider_service_pb2.DESCRIPTOR,
        ),
        (
            provider_setup_service_pb2_grpc.add_ProviderSetupServiceServicer_to_server,
            ProviderSetupRpc(setups),
            provider_setup_service_pb2.DESCRIPTOR,
        ),
        (
            route_service_pb2_grpc.add_RouteServiceServicer_to_server,
            RouteRpc(routes),
            route_service_pb2.DESCRIPTOR,
        ),
        (
            provider_call_service_pb2_grpc.add_ProviderCallServiceServicer_to_server,
            ProviderCallRpc(provider_calls),
            provider_call_service_pb2.DESCRIPTOR,
        ),
    ]
