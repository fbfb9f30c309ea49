"""Something of everything that can be asked for, and how it is named in requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import ServiceDescriptor

from mesh import contract
from tests.referee.court import Court, Request, court
from tests.support.carrier import carrier
from tests.support.running_mesh import RunningMesh, ok, running_mesh
from tests.support.telnyx import Telnyx, telnyx
from tests.support.wav_files import pcm, sine

NUMBER: Final = "+12025550123"
EVERYBODY: Final = "00000000-0000-0000-0000-000000000001"
NOBODY: Final = "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"
OVER_S: Final = 20.0
PACKAGES: Final = (
    "voipbin.account.v1",
    "voipbin.route.v1",
    "voipbin.call.v1",
    "voipbin.flow.v1",
)


@dataclass(frozen=True)
class House:
    """A court, and the ids of what lies before it, by name."""

    court: Court
    account: Telnyx
    """What the mesh takes for a carrier's API."""
    ids: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, body: Any = None, **more: Any) -> Request:
        """Return a request of the tables, with ids in place of `<names>`."""
        if isinstance(body, dict):
            body = json.loads(self.named(json.dumps(body)))
        return Request(method, self.named(path), body, **more)

    def rpc_name(self, method: str, path: str, body: Any = None) -> str:
        """Return the RPC that a request of the tables means."""
        rpc = self.court.rpc(self.request(method, path, body))
        assert rpc is not None, (method, path)
        return rpc.name

    def named(self, text: str) -> str:
        """Return a text with ids in place of `<names>`."""
        for name, value in self.ids.items():
            text = text.replace(f"<{name}>", value)
        return text


def services() -> list[ServiceDescriptor]:
    """Return the services of the contract."""
    return list(contract.services(*(one for name in PACKAGES for one in contract.files(name))))


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[House]:
    """Build it: some seconds, so do it once for all tests."""
    async with carrier() as answers, telnyx() as account:
        environment = {
            "VBMESH_PUBLIC_SIP_FQDN": "sip.voipbin.example",
            "VBMESH_TELNYX_BASE_URL": account.base_url,
        }
        async with (
            running_mesh(folder / "data", environment) as mesh,
            court(folder, mesh, services()) as made,
        ):
            house = House(made, account, {"nobody": NOBODY, "carrier": answers.address})
            await _furnish(house, mesh, answers.address)
            yield house


async def _furnish(house: House, mesh: RunningMesh, carrier_address: str) -> None:
    ids = house.ids
    ids["customer"] = mesh.ready["admin"]["customer_id"]
    ids["agent"] = mesh.ready["admin"]["agent_id"]
    headers = {"X-A": "1", "X-Auth-Token": "secret-value"}
    provider = await mesh.a_provider(carrier_address, tech_headers=headers, codecs="PCMU,PCMA")
    ids["provider"] = provider["id"]
    ok(await mesh.post(f"/v1.0/providers/{provider['id']}/health_checks"))
    route = {"customer_id": EVERYBODY, "provider_id": ids["provider"], "target": "all"}
    ids["route"] = ok(await mesh.post("/v1.0/routes", route))["id"]
    actions = [{"type": "sleep", "option": {"duration": 1}}, {"type": "stop"}]
    flow = {"name": "f", "detail": "d", "actions": actions}
    ids["flow"] = ok(await mesh.post("/v1.0/flows", flow))["id"]
    activeflow = {"flow_id": ids["flow"], "variables": {"colour": "red"}}
    ids["activeflow"] = ok(await mesh.post("/v1.0/activeflows", activeflow))["id"]
    number = {"number": "+12025550100", "type": "normal", "customer_id": ids["customer"]}
    ids["number"] = ok(await mesh.post("/v1.0/numbers", number))["id"]
    ids["key"] = ok(await mesh.post("/v1.0/accesskeys", {"expire": 86_400}))["id"]
    configs = ok(await mesh.get("/v1.0/outbound_config"))
    ids["config"] = configs["id"]
    ids["account"] = ok(await mesh.get("/v1.0/billing_account"))["id"]
    rate = {"provider_id": ids["provider"], "prefix": "+44", "price_per_minute": "0.012"}
    ids["rate"] = ok(await mesh.post("/v1.0/rates", rate))["id"]
    sound = pcm(sine(440.0, seconds=0.1))
    kept = await mesh.http.post("/v1.0/audio_files", content=sound, headers=mesh.headers())
    ids["audio_file"] = ok(kept)["id"]
    record = await mesh.place(ids["provider"], NUMBER)
    ids["record"], ids["record_call"] = record["id"], record["call_ids"][0]
    call = {
        "source": {"type": "tel", "target": number["number"]},
        "destinations": [{"type": "tel", "target": NUMBER}],
        "actions": [{"type": "answer"}],
    }
    ids["call"] = ok(await mesh.post("/v1.0/calls", call))["calls"][0]["id"]
    for name in ("record_call", "call"):
        await mesh.ended(ids[name])
    group = ok(await mesh.post("/v1.0/groupcalls", {**call, "answer_method": "hangup_others"}))
    ids["groupcall"] = group["id"]
    await mesh.ended(group["call_ids"][0])
    await _record(house, mesh, call)
    ids["billing"] = ok(await mesh.get("/v1.0/billings"))["result"][0]["id"]
    ids["CALL"] = ids["call"].upper()
    gone = await mesh.a_provider("gone.carrier.example")
    ok(await mesh.delete(f"/v1.0/providers/{gone['id']}"))
    ids["gone"] = gone["id"]
    # Nothing here changes any more, so that both are asked about the same.
    await _over(mesh, f"/v1.0/activeflows/{ids['activeflow']}")


async def _record(house: House, mesh: RunningMesh, call: dict[str, Any]) -> None:
    recorded = {**call, "actions": [{"type": "recording_start"}, {"type": "stop"}]}
    for name in ("recording", "erased"):
        placed = ok(await mesh.post("/v1.0/calls", recorded))["calls"][0]
        house.ids["recorded_call"] = placed["id"]
        house.ids[name] = (await mesh.ended(placed["id"]))["recording_ids"][0]
    ok(await mesh.delete(f"/v1.0/recordings/{house.ids['erased']}"))


async def _over(mesh: RunningMesh, activeflow: str) -> None:
    async with asyncio.timeout(OVER_S):
        while ok(await mesh.get(activeflow))["status"] != "ended":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
