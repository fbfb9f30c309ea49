"""How the requests of the matrix are made, on things that are really there."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from tests.conformance.town import NUMBER, PASSWORD, Somebody, Town, tel
from tests.support.running_mesh import ok
from tests.support.telnyx import KEY, UNAUTHENTICATED, answering
from tests.support.wav_files import pcm, sine

SOUND: Final = pcm(sine(440.0, seconds=0.1))
DAY_S: Final = 86_400
ADMIN, CUSTOMER, MANAGER = "super_admin", "customer_admin", "manager"


@dataclass(frozen=True)
class Request:
    """What to ask: the path's variables, the body and the query."""

    path: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    who: Somebody | None = None
    """Who asks instead of the usual one of the role."""


Make = Callable[[Town, str], Awaitable[Request]]
"""Makes a request for a role; what the request consumes is made anew."""


@dataclass(frozen=True)
class Example:
    """A request that is good for everybody with the permission."""

    make: Make
    owned: bool = False
    """It names a thing of the customer's, which another customer does not see."""
    answer: int = 200
    """The status for whoever may ask."""
    afterwards: Callable[[Town, Somebody], Awaitable[None]] | None = None


def fixed(body: Any = None, **path: str) -> Make:
    """Ask for the same each time."""

    async def make(_: Town, role: str) -> Request:
        del role
        return Request(path, body)

    return make


def of_town(ask: Callable[[Town], Request]) -> Make:
    """Ask for what stands in the town."""

    async def make(town: Town, _: str) -> Request:
        return ask(town)

    return make


def on_new(thing: Callable[[Town], Awaitable[str]], body: Any = None) -> Make:
    """Ask for something that is made for this one request."""

    async def make(town: Town, _: str) -> Request:
        return Request({"id": await thing(town)}, body)

    return make


async def an_agent(town: Town) -> str:
    return str((await town.an_agent(town.customer_id, 16))["id"])


async def a_key(town: Town) -> str:
    return str((await town.made("/v1.0/accesskeys", {"expire": DAY_S}, CUSTOMER))["id"])


async def an_audio_file(town: Town) -> str:
    return str((await town.made("/v1.0/audio_files", SOUND, CUSTOMER))["id"])


async def a_number(town: Town) -> str:
    return str((await town.a_number(town.customer_id))["id"])


async def a_groupcall(town: Town) -> str:
    number = await town.a_number(town.customer_id)
    body = {"source": tel(number["number"]), "destinations": [tel(NUMBER), tel(NUMBER)]}
    return str((await town.made("/v1.0/groupcalls", body, "customer_admin"))["id"])


async def a_config(town: Town) -> str:
    body = {"customer_id": await town.a_customer()}
    return str((await town.made("/v1.0/outbound_configs", body))["id"])


async def a_flow(town: Town) -> str:
    return await town.a_flow()


async def an_activeflow(town: Town) -> str:
    body = {"flow_id": await town.a_flow()}
    return str((await town.made("/v1.0/activeflows", body, CUSTOMER))["id"])


async def a_provider(town: Town) -> str:
    return str((await town.mesh.a_provider(town.carrier.address))["id"])


async def a_route(town: Town) -> str:
    # Nobody calls there, so no call goes another way because of it.
    body = {
        "customer_id": town.customer_id, "provider_id": await a_provider(town),
        "target": "+82", "priority": random.randrange(1000),
    }  # fmt: skip
    return str((await town.made("/v1.0/routes", body))["id"])


async def a_record(town: Town) -> str:
    record = await town.mesh.place(town.provider_id, NUMBER)
    await town.ended(record["call_ids"][0])
    return str(record["id"])


def a_setup() -> dict[str, Any]:
    # The carrier makes a user name of it, and those are unique there.
    return {"carrier": "telnyx", "name": f"t{uuid4().hex}", "credentials": {"api_key": KEY}}


async def a_deleted_carrier(town: Town) -> str:
    made = str((await town.made("/v1.0/providers/setup", a_setup()))["id"])
    ok(await town.ask(ADMIN, "DELETE", f"/v1.0/providers/{made}"))
    return made


async def a_call_of_its_own(town: Town, role: str) -> Request:
    somebody = town.people.get(role, town.people[ADMIN])
    number = (await town.a_number(somebody.customer_id or town.customer_id))["number"]
    return Request(body={"source": tel(number), "destinations": [tel(NUMBER)]})


async def a_virtual_number(_: Town, role: str) -> Request:
    del role
    number = f"+1202556{random.randrange(10_000):04d}"
    return Request(body={"number": number, "type": "virtual"})


async def a_new_agent(_: Town, role: str) -> Request:
    del role
    return Request(body={"username": str(uuid4()), "password": PASSWORD, "permission": 16})


async def a_new_config(town: Town, _: str) -> Request:
    return Request(body={"customer_id": await town.a_customer()})


async def a_password(town: Town, role: str) -> Request:
    """Ask for one's own new password; administrators may set those of others."""
    if role not in {"manager", "agent"}:
        return Request({"id": await an_agent(town)}, {"password": PASSWORD})
    agent = await town.an_agent(town.customer_id, town.people[role].permissions)
    headers = await town.signed_in(agent["username"], PASSWORD)
    who = Somebody(town.customer_id, town.people[role].permissions, headers)
    return Request({"id": agent["id"]}, {"password": PASSWORD}, who=who)


async def a_sign_in(town: Town, _: str) -> Request:
    agent = await town.an_agent(town.customer_id, 16)
    return Request(body={"username": agent["username"], "password": PASSWORD})


async def a_delegation(town: Town, _: str) -> Request:
    return Request(body={"customer_id": town.customer_id, "reason": "to look at their calls"})


async def recover(town: Town, who: Somebody) -> None:
    ok(await town.ask(who, "DELETE", "/auth/unregister"))


async def a_frozen_account(town: Town, role: str) -> Request:
    """Freeze the account of whoever is going to recover it."""
    if role in {ADMIN, CUSTOMER, "other_admin"}:
        ok(await town.ask(role, "POST", "/auth/unregister"))
    return Request()


async def a_new_carrier(_: Town, role: str) -> Request:
    del role
    return Request(body=a_setup())


async def an_account(town: Town) -> str:
    body = {"customer_id": await town.a_customer()}
    return str((await town.made("/v1.0/billing_accounts", body))["id"])


async def a_paid_account(town: Town) -> str:
    account = await an_account(town)
    await town.made(f"/v1.0/billing_accounts/{account}/balance_add_force", {"amount": "2"})
    return account


async def a_billing(town: Town, _: str) -> Request:
    # A lab's first customers have money from the start, so a movement, too.
    booked = ok(await town.ask(CUSTOMER, "GET", "/v1.0/billings"))["result"]
    return Request({"id": booked[0]["id"]})


async def a_new_rate(town: Town, _: str) -> Request:
    # Of a provider nobody calls through, so that no call has another price.
    body = {"provider_id": await a_provider(town), "prefix": "+82", "price_per_minute": "0.01"}
    return Request(body=body)


async def a_rate(town: Town) -> str:
    return str((await town.made("/v1.0/rates", (await a_new_rate(town, "")).body))["id"])


async def some_limits(town: Town, _: str) -> Request:
    return Request({"customer_id": await town.a_customer()}, {"calls_per_second": 5})


async def a_setup_that_failed(town: Town, _: str) -> Request:
    town.telnyx.then("POST /fqdns", answering(UNAUTHENTICATED))
    refused = await town.ask(ADMIN, "POST", "/v1.0/providers/setup", a_setup())
    assert refused.status_code == 422, refused.text
    newest = ok(await town.ask(ADMIN, "GET", "/v1.0/provider_setups", page_size=1))["result"][0]
    return Request({"id": newest["id"]}, {"credentials": {"api_key": KEY}})
