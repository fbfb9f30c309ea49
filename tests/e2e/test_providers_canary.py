"""A secret of a provider is on the wire and nowhere else, whoever repeats it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from tests.support.carrier import Address, Carrier, carrier, headers
from tests.support.otlp import otlp_collector
from tests.support.running_mesh import RunningMesh, ok, reason, running_mesh, wish

NUMBER: Final = "+12025550177"
DECLARED: Final = "canary-51c0-declared"
TELLING: Final = "canary-77aa-telling"
PASSWORD: Final = "canary-90bd-password"
REFUSED: Final = "canary-3e3e-refused"
SHORT: Final = "can7"
SECRETS: Final = (DECLARED, TELLING, PASSWORD, REFUSED)

BODY: Final = {
    "tech_headers": {
        "X-Account": DECLARED, "X-Api-Token": TELLING, "X-Pin": SHORT, "X-Plain": "plain",
    },
    "secret_headers": ["x-account", "X-PIN"],
    "sip_username": "alice",
    "sip_password": PASSWORD,
}  # fmt: skip
SHOWN: Final = {
    "tech_headers": {
        "X-Account": "****ared", "X-Api-Token": "****ling", "X-Pin": "****", "X-Plain": "plain",
    },
    "secret_headers": ["x-account", "X-PIN"],
    "sip_username": "alice",
    "sip_password": "****word",
}  # fmt: skip


class Parrot(Carrier):
    """Repeats what it was sent, as some carriers do: as headers, and in a warning."""

    @override
    def _send(self, request: str, lines: list[str], body: str, addr: Address) -> None:
        repeated = [
            f"{name}: {value}"
            for name in ("X-Account", "X-Api-Token", "X-Pin", "X-Plain")
            for value in headers(request, name)
        ]
        said = ", ".join(headers(request, "X-Account"))
        super()._send(request, [*lines, *repeated, f'Warning: 399 parrot "for {said}"'], body, addr)


def of(provider: dict[str, Any]) -> dict[str, Any]:
    return {key: provider[key] for key in SHOWN}


@asynccontextmanager
async def collected(responses: list[bytes], mesh: RunningMesh) -> AsyncIterator[None]:
    """Keep what every HTTP answer says."""

    async def keep(response: Any) -> None:
        responses.append(await response.aread())

    mesh.http.event_hooks["response"].append(keep)
    yield


def holds(octets: bytes) -> list[str]:
    return [secret for secret in SECRETS if secret.encode() in octets]


async def test_a_providers_secrets_are_on_the_wire_and_nowhere_else(
    tmp_path: Path, engine: str
) -> None:
    answers: list[bytes] = []
    data = tmp_path / "data"
    async with otlp_collector() as collector, carrier(kind=Parrot) as parrot:
        environment = {"VBMESH_OTLP_ENDPOINT": collector.endpoint, "VBMESH_LOG_LEVEL": "DEBUG"}
        async with running_mesh(data, environment) as mesh, collected(answers, mesh):
            call_id = await everything(mesh, parrot)
            ladder = (await mesh.get(f"/v1.0/timelines/calls/{call_id}/sip-analysis")).text
            pcap = (await mesh.get(f"/v1.0/timelines/calls/{call_id}/pcap")).content
            # Every service sends what it has twice a second.
            await asyncio.sleep(1.5)
        [leg] = parrot.to(NUMBER)
        assert [leg.header(name) for name in ("X-Account", "X-Api-Token", "X-Pin")] == [
            DECLARED, TELLING, SHORT,
        ]  # fmt: skip
        # There was something to hide in, and it is what was meant.
        assert ladder.count("X-Account: ****ared") == pcap.count(b"X-Account: ****ared") >= 3
        assert ladder.count("X-Pin: ****\\r") >= 3
        assert ladder.count("X-Plain: plain") >= 3
        assert 'parrot \\"for ' + "*" * (len(DECLARED) - 4) + "ared" in ladder
        assert len(collector.octets) > 1000
        assert holds(bytes(collector.octets)) == []
    assert [holds(answer) for answer in answers if holds(answer)] == []
    files = [path for path in data.rglob("*") if path.is_file()]
    kept_here = {".keys", ".db"} if engine == "sqlite" else {".keys"}
    assert {path.suffix for path in files} >= kept_here
    assert {str(path): holds(path.read_bytes()) for path in [*files, mesh.log]} == {
        str(path): [] for path in [*files, mesh.log]
    }


async def everything(mesh: RunningMesh, parrot: Carrier) -> str:
    """Do what can be done with a provider and its secrets; return the id of a call over it."""
    made = ok(await mesh.post("/v1.0/providers", {"hostname": parrot.address, **BODY}))
    path = f"/v1.0/providers/{made['id']}"
    await refusals(mesh, path)
    for shown in (
        made,
        ok(await mesh.get(path)),
        ok(await mesh.post(f"{path}/lint", {})),
        ok(await mesh.put(path, {"name": "renamed"})),
        # What a form does: read, change one field, write everything back.
        ok(await mesh.put(path, {**of(made), "name": "written back"})),
        ok(await mesh.get("/v1.0/providers?page_size=1"))["result"][0],
    ):
        assert of(shown) == SHOWN
    record = ok(await mesh.post("/v1.0/providercalls", wish(made["id"], NUMBER)))
    snapshot = record["provider_snapshot"]
    assert snapshot["tech_headers"] == SHOWN["tech_headers"]
    [call_id] = record["call_ids"]
    await mesh.call_in(call_id, "progressing", "hangup")
    ok(await mesh.post(f"/v1.0/calls/{call_id}/hangup", {}))
    call = await mesh.ended(call_id)
    assert call["provider_id"] == made["id"]
    for more in (
        f"/v1.0/timelines/calls/{call_id}/events",
        f"/v1.0/aggregated-events?call_id={call_id}",
    ):
        ok(await mesh.get(more))
    ok(await mesh.get(f"/v1.0/providercalls/{record['id']}"))
    ok(await mesh.delete(path))
    return str(call_id)


async def refusals(mesh: RunningMesh, path: str) -> None:
    """Send secrets that are refused; the errors say why, not what."""
    for body, why in (
        ({"tech_headers": {"X-Token": REFUSED + "\r\nVia: x"}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"X-Token": REFUSED + "x" * 1025}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": {"Via": REFUSED}}, "INVALID_TECH_HEADERS"),
        ({"tech_headers": [REFUSED]}, "INVALID_ARGUMENT"),
        ({"sip_password": REFUSED + "\n"}, "INVALID_SIP_CREDENTIALS"),
        ({"sip_password": REFUSED + "x" * 128}, "INVALID_ARGUMENT"),
        ({"sip_password": [REFUSED]}, "INVALID_ARGUMENT"),
        ({"secret_headers": []}, "INVALID_SECRET_HEADERS"),
    ):
        assert reason(await mesh.put(path, body)) == (400, why)


async def test_in_use_is_told_over_rest_with_the_routes(mesh: RunningMesh) -> None:
    made = await mesh.a_provider("127.0.0.1:9")
    path = f"/v1.0/providers/{made['id']}"
    customer_id = mesh.ready["customer_admin"]["customer_id"]
    body = {"customer_id": customer_id, "provider_id": made["id"], "target": "+421"}
    route = ok(await mesh.post("/v1.0/routes", body))

    refused = await mesh.delete(f"{path}?if_unused=true")

    assert reason(refused) == (409, "PROVIDER_IN_USE")
    [details] = [one for one in refused.json()["error"]["details"] if "route_ids" in str(one)]
    assert re.search(route["id"], str(details))
    deleted = ok(await mesh.delete(path))
    [warning] = deleted["warnings"]
    assert (warning["code"], warning["ids"]) == ("routes_out_of_service", [route["id"]])
