"""A mesh with one customer's whole life in it, and somebody of every role who may look at it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from voipbin.mesh.v1 import options_pb2

from tests.support.carrier import Carrier, carrier
from tests.support.running_mesh import RunningMesh, ok, running_mesh
from tests.support.telnyx import Telnyx, telnyx

PASSWORD: Final = "correct horse battery"
NUMBER: Final = "+12025550123"
EVERYBODY: Final = "00000000-0000-0000-0000-000000000001"
SCOPE: Final = frozenset(
    {
        "voipbin.route.v1.ProviderService/ProviderGet",
        "voipbin.route.v1.ProviderCallService/ProviderCallCreate",
    }
)
"""What the scoped key may ask, through its one provider."""
ENVIRONMENT: Final = {
    "VBMESH_PUBLIC_SIP_FQDN": "sip.voipbin.example",
    # Short enough to be waited for: unanswered calls, endless ones, requests.
    "VBMESH_RING_TIMEOUT_S": "3",
    "VBMESH_CALL_DURATION_MAX_S": "4",
    "VBMESH_REQUEST_DEADLINE_S": "5",
    # Lab mode has only the limits that are set, so this holds for delegated tokens alone.
    "VBMESH_LIMIT_DELEGATED_PER_S": "0.1",
    "VBMESH_LIMIT_DELEGATED_BURST": "3",
}


@dataclass(frozen=True)
class Somebody:
    """Who asks: the headers that say so, and the bits of the mask."""

    customer_id: str
    permissions: int
    headers: Mapping[str, str] = field(repr=False)


@dataclass
class Town:
    """The mesh, who lives in it, and what is there to ask for."""

    mesh: RunningMesh
    carrier: Carrier
    telnyx: Telnyx
    people: dict[str, Somebody] = field(default_factory=dict)
    provider_id: str = ""
    """A provider at the carrier, which answers every call; all calls go there."""
    call_id: str = ""
    """A call of the customer's that is over."""
    recording_id: str = ""
    """A recording of a call of the customer's."""
    record_id: str = ""
    """A provider call of the super-admin's."""

    @property
    def customer_id(self) -> str:
        """The customer whose administrator, manager and agent are among the people."""
        return self.people["customer_admin"].customer_id

    async def ask(
        self, who: str | Somebody, method: str, path: str, body: Any = None, **query: Any
    ) -> httpx.Response:
        """Ask as somebody; a body of None is none, and one of bytes is a file."""
        somebody = self.people[who] if isinstance(who, str) else who
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.mesh.http.request(
            method, path, params=query or None, headers=dict(somebody.headers), **sent
        )

    async def made(self, path: str, body: Any, who: str | Somebody = "super_admin") -> Any:
        """Post what must succeed, and return what was made."""
        return ok(await self.ask(who, "POST", path, body))

    async def signed_in(self, username: str, password: str) -> Mapping[str, str]:
        """Sign in and return the headers of further requests."""
        body = {"username": username, "password": password}
        token = ok(await self.mesh.http.post("/auth/login", json=body))["token"]
        return {"Authorization": f"Bearer {token}"}

    async def an_agent(self, customer_id: str, permission: int) -> dict[str, Any]:
        """Create an agent of a customer, with `PASSWORD`."""
        body = {
            "customer_id": customer_id, "username": f"{uuid4()}@example.com",
            "password": PASSWORD, "permission": permission,
        }  # fmt: skip
        made: dict[str, Any] = await self.made("/v1.0/agents", body)
        return made

    async def somebody(self, customer_id: str, permission: int) -> Somebody:
        """Create an agent and sign in as it."""
        agent = await self.an_agent(customer_id, permission)
        headers = await self.signed_in(agent["username"], PASSWORD)
        return Somebody(customer_id, permission, headers)

    async def a_customer(self) -> str:
        """Create a customer that may call and pays for it, and return its id."""
        body = {"name": "Another", "identity_verification_status": "verified"}
        customer_id = str((await self.made("/v1.0/customers", body))["id"])
        account = await self.made("/v1.0/billing_accounts", {"customer_id": customer_id})
        money = f"/v1.0/billing_accounts/{account['id']}/balance_add_force"
        await self.made(money, {"amount": "20"})
        # As many as a laboratory's: tests ask faster than people do.
        limits = {"calls_per_second": 0, "calls_at_once": 0}
        ok(await self.ask("super_admin", "PUT", f"/v1.0/call_limits/{customer_id}", limits))
        return customer_id

    async def a_number(self, customer_id: str, **fields: Any) -> dict[str, Any]:
        """Record a number of a customer's."""
        body = {"customer_id": customer_id, "type": "normal", **fields}
        while True:
            body["number"] = f"+1202555{random.randrange(10_000):04d}"
            response = await self.ask("super_admin", "POST", "/v1.0/numbers", body)
            if response.status_code != httpx.codes.CONFLICT:
                made: dict[str, Any] = ok(response)
                return made

    async def a_flow(self, who: str | Somebody = "customer_admin") -> str:
        return str((await self.made("/v1.0/flows", {"name": "f", "actions": []}, who))["id"])

    async def a_call(self, *kinds: str, **option: Any) -> str:
        """Have the customer place a call that does these actions, and return its id."""
        number = (await self.a_number(self.customer_id))["number"]
        actions = [{"type": kind, "option": option} if option else {"type": kind} for kind in kinds]
        call = {"source": tel(number), "destinations": [tel(NUMBER)], "actions": actions}
        return str((await self.made("/v1.0/calls", call, "customer_admin"))["calls"][0]["id"])

    async def a_live_call(self) -> str:
        """Have the customer place a call that waits, and return its id once it is answered."""
        call_id = await self.a_call("sleep", duration=60_000)
        await self.mesh.call_in(call_id, "progressing")
        return call_id

    async def a_recording(self) -> str:
        """Have the customer record a call, and return the recording's id once that is over."""
        call = await self.ended(await self.a_call("recording_start", "stop"))
        return str(call["recording_ids"][0])

    async def ended(self, call_id: str) -> dict[str, Any]:
        """Wait until a call is over."""
        async with asyncio.timeout(20):
            while True:
                call: dict[str, Any] = await self.mesh.call(call_id)
                if call["status"] == "hangup":
                    return call
                await asyncio.sleep(0.03)


def tel(number: str) -> dict[str, str]:
    return {"type": "tel", "target": number}


@asynccontextmanager
async def a_town(folder: Path) -> AsyncIterator[Town]:
    """Build it: some seconds, so do it once for many tests."""
    async with (
        carrier() as answers,
        telnyx() as account,
        running_mesh(folder, {**ENVIRONMENT, "VBMESH_TELNYX_BASE_URL": account.base_url}) as mesh,
    ):
        town = Town(mesh, answers, account)
        await _people(town)
        await _things(town)
        yield town


async def _people(town: Town) -> None:
    ready = town.mesh.ready
    admin, customer_admin = ready["admin"], ready["customer_admin"]
    town.people["super_admin"] = Somebody(
        admin["customer_id"], options_pb2.PERMISSION_PROJECT_SUPER_ADMIN, town.mesh.headers()
    )
    customer_id, headers = customer_admin["customer_id"], town.mesh.headers("customer_admin")
    bits = options_pb2.PERMISSION_CUSTOMER_ADMIN
    town.people["customer_admin"] = Somebody(customer_id, bits, headers)
    for role, bit in (
        ("manager", options_pb2.PERMISSION_CUSTOMER_MANAGER),
        ("agent", options_pb2.PERMISSION_CUSTOMER_AGENT),
    ):
        town.people[role] = await town.somebody(customer_id, bit)
    other = await town.a_customer()
    town.people["other_admin"] = await town.somebody(other, bits)
    config = {"destination_whitelist": ["us"]}
    ok(await town.ask("other_admin", "PUT", "/v1.0/outbound_config", config))
    town.people["anonymous"] = Somebody("", 0, {})


async def _things(town: Town) -> None:
    provider = await town.mesh.a_provider(town.carrier.address)
    town.provider_id = provider["id"]
    route = {"customer_id": EVERYBODY, "provider_id": town.provider_id, "target": "all"}
    await town.made("/v1.0/routes", route)
    key = {
        "expire": 86_400, "permission": options_pb2.PERMISSION_PROJECT_SUPER_ADMIN,
        "rpcs": sorted(SCOPE), "provider_ids": [town.provider_id],
    }  # fmt: skip
    token = (await town.made("/v1.0/accesskeys", key))["token"]
    admin = town.people["super_admin"]
    town.people["scoped_key"] = Somebody(admin.customer_id, admin.permissions, {"x-api-key": token})
    record = await town.mesh.place(town.provider_id, NUMBER)
    town.record_id = record["id"]
    await town.ended(record["call_ids"][0])
    number = (await town.a_number(town.customer_id))["number"]
    call = {"source": tel(number), "destinations": [tel(NUMBER)]}
    placed = await town.made("/v1.0/calls", call, "customer_admin")
    town.call_id = placed["calls"][0]["id"]
    await town.ended(town.call_id)
    town.recording_id = await town.a_recording()
