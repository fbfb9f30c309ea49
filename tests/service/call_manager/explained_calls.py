"""Calls that end in every way there is, all placed at once at one simulated carrier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from typing_extensions import override
from voipbin.call.v1 import address_pb2, call_pb2, call_service_pb2, timeline_service_pb2
from voipbin.route.v1 import (
    provider_pb2,
    provider_service_pb2,
    provider_service_pb2_grpc,
    route_service_pb2,
    route_service_pb2_grpc,
)

from call_manager.channel import Credentials
from call_manager.settings import CallSettings
from call_manager.simulator.audio import AudioSettings
from call_manager.simulator.endpoint import Simulator, SimulatorSettings
from call_manager.simulator.script import Script
from call_manager.simulator.wires import Listening
from call_manager.sip.settings import SipSettings
from mesh.addresses import write_address
from mesh.clock import new_id
from tests.service.call_manager.calls_world import in_seconds, known, raw, tel
from tests.service.call_manager.exchange import Exchange
from tests.support.certificates import Authority, ip

RIGHT: Final = {"sip_username": "mesh", "sip_password": "secret"}
T1_S: Final = 0.05
"""Timers B and F then take 3.2 s."""
RING_S: Final = 5.0
LONGEST_S: Final = 11.0
TALK_MS: Final = 9_000
"""Long enough for an RTCP report, and for audio that stops to be missed."""

BUSY: Final = {"refuse": {"code": 486}}
SCRIPT: Final[Mapping[str, Any]] = {
    "rules": [
        {
            "name": "tries",
            "match": {"suffix": "8801"},
            "steps": [{"wait": 60}, {"refuse": {"code": 480}}],
        },
        {
            "name": "does not refresh",
            "match": {"suffix": "8802"},
            "steps": [{"answer": {}}],
            "session": {"expires_s": 4, "refresher": "carrier", "refresh": "never"},
        },
    ]
}


@dataclass(frozen=True, slots=True)
class Case:
    """A call, and the rule that must explain it."""

    rule: str
    digits: str = "0100"
    """The last four of the number, by which the simulator knows what to do."""
    provider: Mapping[str, Any] = field(default_factory=dict)
    talk_ms: int = 0
    """How long the flow of the answered call lasts; 0: there is none, and we hang up."""
    hang_up_after_s: float | None = None
    tls: str = ""
    """`trusted` or `untrusted`: the call goes over TLS, and we know the carrier's CA or not."""
    routed: bool = False
    """Whether it goes by routes, to a carrier that refuses and then to this one."""
    shows: str = ""
    """The label of the message that shows it; empty for none."""
    name: str = ""
    """Tells cases of one rule apart."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What people are shown of a call that is over."""

    call: call_pb2.Call
    analysis: timeline_service_pb2.SipAnalysisGetResponse | None
    """None for a call without a trace."""
    pcap: bytes = b""
    """Its file, where there is an analysis."""


class QuickSettings(CallSettings):
    """call_manager with a tenth of RFC 3261's timers."""

    @override
    def sip(self) -> SipSettings:
        return replace(super().sip(), t1_s=T1_S)


class PublicSettings(CallSettings):
    """call_manager as it is outside of labs, where it dials no private address."""

    @override
    def sip(self) -> SipSettings:
        return replace(super().sip(), allow_private=False)


@asynccontextmanager
async def simulated_carrier(authority: Authority | None = None) -> AsyncIterator[Simulator]:
    """Run the carrier, for TLS too with a certificate of the authority's."""
    secure = None if authority is None else authority.issue(ip("127.0.0.1")).server()
    simulator = Simulator(
        SimulatorSettings(
            Listening(
                ("127.0.0.1", 0),
                tls=None if secure is None else ("127.0.0.1", 0),
                tls_context=secure,
            ),
            Credentials("mesh", "secret"),
            AudioSettings("127.0.0.1", (26_000, 27_998)),
            calls_max=200,
            answers=Script.model_validate(SCRIPT),
        ),
        lambda _event, /, **_facts: None,
    )
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop(grace_s=0.0)


async def place_all(folder: Path, cases: list[Case]) -> dict[str, Explained]:
    """Place every case's call, wait for the ends, and return what is shown, by case."""
    authority = Authority(folder)
    async with (
        Exchange(folder).neighbours() as exchange,
        simulated_carrier(authority) as simulator,
        exchange.serving(
            settings_type=QuickSettings, ring_timeout_s=RING_S, call_duration_max_s=LONGEST_S
        ),
    ):
        addresses = {str(wire): write_address(at) for wire, at in simulator.addresses.items()}
        placer = Placer(exchange, addresses, authority.pem)
        await placer.prepare()
        ends = await asyncio.gather(*(placer.place(case) for case in cases))
    return {case.name or case.rule: end for case, end in zip(cases, ends, strict=True)}


class Placer:
    """Places single calls."""

    def __init__(self, exchange: Exchange, addresses: Mapping[str, str], tls_ca: str) -> None:
        self._exchange = exchange
        self._address = addresses["udp"]
        self._tls = {
            "untrusted": {"hostname": addresses["tls"], "transport": TLS},
            "trusted": {"hostname": addresses["tls"], "transport": TLS, "tls_ca": tls_ca},
        }
        self._flows: dict[int, str] = {}
        self._turn = asyncio.Lock()

    async def prepare(self) -> None:
        """Make the flows, and two routes for the customer: a closed door first."""
        for duration in (TALK_MS, 60_000):
            self._flows[duration] = await self._exchange.flow(("sleep", {"duration": duration}))
        channel = self._exchange.neighbour("route_manager", route_service_pb2.DESCRIPTOR)
        routes = route_service_pb2_grpc.RouteServiceStub(channel)
        for priority, digits in enumerate(("503", "")):
            carrier = await self._exchange.carrier(
                self._address, name=f"carrier {priority}",
                # The simulator goes by the last four digits, and the first carrier adds its own.
                tech_postfix="0503" if digits else "",
            )  # fmt: skip
            await routes.RouteCreate(
                route_service_pb2.RouteCreateRequest(
                    customer_id=self._exchange.customer, provider_id=carrier,
                    priority=priority, target="all",
                )
            )  # fmt: skip

    async def place(self, case: Case) -> Explained:
        """Place one call and wait until it is over."""
        async with self._turn:
            call_id = await self._create(case)
        if case.hang_up_after_s is not None:
            await asyncio.sleep(case.hang_up_after_s)
            await self._exchange.hangup(call_id)
        call = await self._exchange.until(call_id, "hangup", within_s=60)
        if not (case.shows or case.talk_ms):
            return Explained(call, None)
        analysis = await self._exchange.timelines().SipAnalysisGet(
            timeline_service_pb2.SipAnalysisGetRequest(id=call_id)
        )
        pieces = [piece.body.data for piece in await self._exchange.pcap(call_id)]
        return Explained(call, analysis, b"".join(pieces))

    async def _create(self, case: Case) -> str:
        fields = {"hostname": self._address, **self._tls.get(case.tls, {}), **case.provider}
        provider = await self._exchange.carrier(fields.pop("hostname"), **fields)
        number = tel(f"+1202555{case.digits}")
        refused = case.rule == "REFUSED_BEFORE_DIALLING"
        wanted = [address_pb2.Address(type=address_pb2.ADDRESS_TYPE_AGENT)] if refused else []
        forced = {} if case.routed else {"route_provider_ids": [provider]}
        request = call_service_pb2.CallsCreateRequest(
            id=str(new_id()),
            customer_id=self._exchange.customer,
            call_ids=[str(new_id()) for _ in (*wanted, number)],
            flow_id=self._flows.get(case.talk_ms, ""),
            source=tel("+15550100001"),
            destinations=[*wanted, number],
            metadata=raw(skip_source_validation=True, **forced),
            dial_not_after=in_seconds(30),
            customer=known(),
        )
        answer = await self._exchange.calls("route_manager").CallsCreate(request)
        return answer.calls[0].id


TLS: Final = provider_pb2.PROVIDER_TRANSPORT_TLS


def delete(exchange: Exchange, provider_id: str) -> Any:
    """Mark a carrier deleted."""
    channel = exchange.neighbour("route_manager", provider_service_pb2.DESCRIPTOR)
    stub = provider_service_pb2_grpc.ProviderServiceStub(channel)
    return stub.ProviderDelete(provider_service_pb2.ProviderDeleteRequest(id=provider_id))
