"""What changes something, told as the lives of things: each is lived once before each transcoder.

The two transcripts differ in ids, times, tokens and a tag that keeps the lives apart, so these
are replaced by what they stand for; all else has to be the same.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.referee.court import Court, Request, Verdict
from tests.referee.house import EVERYBODY, NUMBER, House
from tests.support.telnyx import KEY, UNAUTHENTICATED, answering
from tests.support.wav_files import pcm, sine

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{6}Z|\+00:00)")
_CARRIERS_ID: Final = re.compile(r"\b\d{15,20}\b")
_TOKEN: Final = re.compile(r"eyJ[\w.-]+|vb_[\w-]+")
PASSWORD: Final = "correct horse battery"


@dataclass
class Life:
    """Asks one of the two, and remembers what it heard."""

    house: House
    through: Callable[[Request], Awaitable[Verdict]]
    tag: str
    """Four digits; what is unique on the platform is named with them."""
    heard: list[tuple[str, Verdict]] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Ask, and return the answer, which must be a success."""
        verdict = await self.through(self.house.request(method, path, body, **more))
        self.heard.append((f"{method} {path}", verdict))
        assert verdict.status == 200, (method, path, verdict)
        return verdict.body

    async def make(self, path: str, body: Any, **more: Any) -> str:
        """Create something and return its path."""
        made = await self.ask("POST", path, body, **more)
        return f"{path}/{made['id']}"

    def transcript(self) -> list[str]:
        """Return what was heard, with names for what is never the same twice."""
        names: dict[str, str] = {}

        def name_of(found: re.Match[str]) -> str:
            return names.setdefault(found[0], f"<id {len(names)}>")

        told = []
        for asked, verdict in self.heard:
            line = f"{asked}: {verdict.status} {json.dumps(verdict.body, sort_keys=True)}"
            line = _CARRIERS_ID.sub("<carrier's id>", _UUID.sub(name_of, _TIME.sub("<time>", line)))
            told.append(_TOKEN.sub("<token>", line).replace(self.tag, "<tag>"))
        return told


async def of_a_provider(life: Life) -> None:
    path = await life.make(
        "/v1.0/providers",
        {
            "type": "sip", "hostname": f"p{life.tag}.example", "name": "é \u2028 \U0001f4de",
            "tech_headers": {"X-B": "2", "X-A": "1"}, "secret_headers": ["X-B"],
            "sip_username": "u", "sip_password": "long enough", "codecs": " PCMU , PCMA ",
            "transport": "tcp", "port": 5070, "outbound_proxy": "127.0.0.1:5071",
            "session_expires": 1800, "number_format": "digits",
            "failover_codes": ["503", "5xx", "unreachable"], "health_codes": ["2xx", "404"],
            "health_affects_routing": True, "health_checks_paused": True,
            "calls_per_second": 5, "calls_at_once": 30, "duration_max": 600,
        },
    )  # fmt: skip
    await life.ask("GET", path)
    await life.ask("PUT", path, {"detail": "d", "tech_headers": {}, "secret_headers": []})
    await life.ask("PUT", path, {"name": "", "detail": None})
    await life.ask("PUT", path, {"transport": "auto", "port": 0, "failover_codes": []})
    await life.ask("POST", f"{path}/lint", {})
    route = {"customer_id": EVERYBODY, "provider_id": path.rpartition("/")[2], "target": "+82"}
    made = await life.make("/v1.0/routes", {**route, "priority": 7, "name": "r"})
    await life.ask("PUT", made, {"priority": 0, "target": "+8210"})
    await life.ask("DELETE", made)
    await life.ask("DELETE", f"{path}?if_unused=true")
    await life.ask("GET", path)
    await life.ask("GET", f"{path}/stats")
    await life.ask("GET", f"{path}/stats?window=24h")


async def of_a_silent_provider(life: Life) -> None:
    # Refused at once, so that no time is told.
    body = {"type": "sip", "hostname": "127.0.0.1:1", "transport": "tcp", "name": "silent"}
    path = await life.make("/v1.0/providers", body)
    await life.ask("POST", f"{path}/health_checks", {})
    await life.ask("GET", path)


async def of_a_carrier(life: Life) -> None:
    setup = {"carrier": "telnyx", "name": f"t{life.tag}", "credentials": {"api_key": KEY}}
    made = await life.make("/v1.0/providers/setup", setup)
    path = f"/v1.0/providers/{made.rpartition('/')[2]}"
    await life.ask("GET", path)
    await life.ask("DELETE", path)
    await life.ask("POST", f"{path}/teardown", {"credentials": {"api_key": KEY}})


async def of_a_carrier_that_fails(life: Life) -> None:
    # Both refuse, with statuses that mean to differ, so this is asked through our door alone.
    mesh = life.house.court.mesh
    life.house.account.then("POST /fqdns", answering(UNAUTHENTICATED))
    setup = {"carrier": "telnyx", "name": f"u{life.tag}", "credentials": {"api_key": KEY}}
    assert (await mesh.post("/v1.0/providers/setup", setup)).status_code == 422
    newest = (await mesh.get("/v1.0/provider_setups?page_size=1")).json()["result"][0]
    path = f"/v1.0/provider_setups/{newest['id']}/teardown"
    await life.ask("POST", path, {"credentials": {"api_key": KEY}})


async def of_a_flow(life: Life) -> None:
    actions = [{"type": "sleep", "option": {"duration": 1}}, {"type": "stop"}]
    path = await life.make("/v1.0/flows", {"name": "f", "actions": actions})
    await life.ask("PUT", path, {"actions": [], "detail": life.tag})
    await life.ask("DELETE", path)
    await life.ask("GET", f"/v1.0/timelines/flows/{path.rpartition('/')[2]}/events")
    long = [{"type": "sleep", "option": {"duration": 60_000}}]
    body = {"actions": long, "variables": {"b": "1", "a": "é"}}
    activeflow = await life.make("/v1.0/activeflows", body)
    await life.ask("POST", f"{activeflow}/stop", {})
    await life.ask("DELETE", activeflow)


async def of_a_call(life: Life) -> None:
    body = {
        "provider_id": "<provider>",
        "source": {"type": "tel", "target": "+12025550100", "target_name": "Bob"},
        "destinations": [{"type": "tel", "target": NUMBER}],
        "anonymous": "no",
    }
    keyed = (("idempotency-key", f"k{life.tag}"),)
    path = await life.make("/v1.0/providercalls", body, headers=keyed)
    again = await life.make("/v1.0/providercalls", body, headers=keyed)
    assert again == path
    mesh = life.house.court.mesh
    record = (await mesh.get(path)).json()
    await mesh.ended(record["call_ids"][0])
    await life.ask("POST", f"{path}/hangup")
    await life.ask("DELETE", path)
    wish = {name: body[name] for name in ("source", "destinations")}
    call = (await life.ask("POST", "/v1.0/calls", wish))["calls"][0]
    await mesh.ended(call["id"])
    await life.ask("POST", f"/v1.0/calls/{call['id']}/hangup", {})
    await life.ask("DELETE", f"/v1.0/calls/{call['id']}")


async def of_a_groupcall(life: Life) -> None:
    body = {
        "source": {"type": "tel", "target": "+12025550100"},
        "destinations": [{"type": "tel", "target": NUMBER}] * 2,
        "ring_method": "linear",
        "answer_method": "hangup_others",
        "variables": {"b": "1", "a": "é"},
        "early_execution": False,
    }
    group = await life.ask("POST", "/v1.0/groupcalls", body)
    for call_id in group["call_ids"]:
        await life.house.court.mesh.ended(call_id)
    path = f"/v1.0/groupcalls/{group['id']}"
    await life.ask("POST", f"{path}/hangup", {})
    await life.ask("GET", path)
    await life.ask("DELETE", path)
    await life.ask("GET", f"/v1.0/timelines/groupcalls/{group['id']}/events")


async def of_a_call_that_lives(life: Life) -> None:
    wish = {
        "source": {"type": "tel", "target": "+12025550100"},
        "destinations": [{"type": "tel", "target": NUMBER}],
        "actions": [{"type": "sleep", "option": {"duration": 60_000}}],
    }
    path = f"/v1.0/calls/{(await life.ask('POST', '/v1.0/calls', wish))['calls'][0]['id']}"
    mesh = life.house.court.mesh
    async with asyncio.timeout(20):
        while (await mesh.get(path)).json()["action"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.03)
    await life.ask("POST", f"{path}/talk", {"text": "é", "language": "en-US", "provider": "gcp"})
    await life.ask("POST", f"{path}/recording_start", {"duration": 60, "end_of_key": "#"})
    await life.ask("POST", f"{path}/recording_stop")
    await mesh.post(f"{path}/hangup")
    await mesh.ended(path.rpartition("/")[2])


async def of_a_number(life: Life) -> None:
    number = f"+1202556{life.tag}"
    path = await life.make("/v1.0/numbers", {"number": number, "type": "virtual"})
    await life.ask("PUT", path, {"name": "n"})
    await life.ask("PUT", f"{path}/flow_ids", {"call_flow_id": "<flow>"})
    await life.ask("DELETE", path)


async def of_a_customer(life: Life) -> None:
    body = {"name": life.tag, "identity_verification_status": "verified", "rtp_debug": True}
    path = await life.make("/v1.0/customers", body)
    customer = path.rpartition("/")[2]
    await life.ask("PUT", path, {"identity_verification_status": "", "detail": "d"})
    config = {"customer_id": customer, "destination_whitelist": ["US", "kr"]}
    made = await life.make("/v1.0/outbound_configs", config)
    await life.ask(
        "PUT",
        made,
        {"destination_whitelist": [], "codecs": "PCMU", "allowed_number_types": ["pager"]},
    )
    await life.ask("DELETE", made)
    username = f"a{life.tag}@example.com"
    body = {"customer_id": customer, "username": username, "password": PASSWORD, "permission": 32}
    agent = await life.make("/v1.0/agents", body)
    await life.ask("PUT", agent, {"detail": "d"})
    await life.ask("PUT", f"{agent}/permission", {"permission": 16})
    await life.ask("PUT", f"{agent}/password", {"password": f"{PASSWORD} staple"})
    sign_in = {"username": username, "password": f"{PASSWORD} staple"}
    await life.ask("POST", "/auth/login", sign_in, role="")
    await life.ask("POST", "/auth/delegate", {"customer_id": customer, "reason": "to look at it"})
    await life.ask("DELETE", agent)
    await life.ask("DELETE", path)


async def of_money(life: Life) -> None:
    customer = (await life.make("/v1.0/customers", {"name": life.tag})).rpartition("/")[2]
    path = await life.make("/v1.0/billing_accounts", {"customer_id": customer})
    keyed = (("idempotency-key", f"m{life.tag}"),)
    added = {"amount": "25.5", "detail": "é"}
    first = await life.ask("POST", f"{path}/balance_add_force", added, headers=keyed)
    again = await life.ask("POST", f"{path}/balance_add_force", added, headers=keyed)
    assert again == first
    await life.ask("POST", f"{path}/balance_subtract_force", {"amount": "0.000001"})
    await life.ask("PUT", path, {"plan_type": "unlimited", "status": None})
    await life.ask("GET", path)
    limits = {"daily_spend": "", "calls_per_second": 7, "duration_max": 60}
    await life.ask("PUT", f"/v1.0/call_limits/{customer}", limits)
    # Nobody switches it off here: others call at the same time.
    await life.ask("PUT", "/v1.0/dialing", {"enabled": True, "reason": life.tag})


async def of_an_audio_file(life: Life) -> None:
    sound = pcm(sine(440.0, rate=16_000, seconds=0.25), rate=16_000, channels=2)
    made = await life.ask("POST", f"/v1.0/audio_files?name=a%20{life.tag}", sound)
    await life.ask("POST", "/v1.0/audio_files", sound)
    path = f"/v1.0/audio_files/{made['id']}"
    await life.ask("GET", path)
    await life.ask("DELETE", path)
    await life.ask("GET", path)


async def of_a_rate(life: Life) -> None:
    prices = {"price_per_minute": "0.01", "price_minimum": "0.005", "increment": 6}
    path = await life.make("/v1.0/rates", {"prefix": f"+999{life.tag}", "name": "r", **prices})
    await life.ask("GET", f"/v1.0/rates/quote?destination=999{life.tag}1")
    await life.ask("PUT", path, {"price_minimum": "", "provider_id": "<provider>"})
    await life.ask("DELETE", path)
    await life.ask("GET", path)


async def of_a_key(life: Life) -> None:
    body = {"expire": 86_400, "name": life.tag, "calls_per_day": 5}
    path = await life.make("/v1.0/accesskeys", body)
    await life.ask("GET", path)
    await life.ask("PUT", path, {"detail": "d"})
    await life.ask("DELETE", path)


async def of_ones_own(life: Life) -> None:
    await life.ask("PUT", "/v1.0/customer", {"detail": life.tag}, role="customer_admin")
    config = {"name": life.tag, "destination_whitelist": ["US"]}
    await life.ask("PUT", "/v1.0/outbound_config", config, role="customer_admin")
    await life.ask("POST", "/auth/unregister", role="customer_admin")
    await life.ask("DELETE", "/auth/unregister", role="customer_admin")


LIVES: Final = (
    of_a_provider,
    of_a_silent_provider,
    of_a_carrier,
    of_a_carrier_that_fails,
    of_a_flow,
    of_a_call,
    of_a_call_that_lives,
    of_a_groupcall,
    of_a_number,
    of_an_audio_file,
    of_a_customer,
    of_money,
    of_a_rate,
    of_a_key,
    of_ones_own,
)


def both(house: House) -> tuple[Life, Life]:
    """Return a life through our door, and one through the referee."""
    court: Court = house.court
    return Life(house, court.ours, "7301"), Life(house, court.envoys, "7302")
