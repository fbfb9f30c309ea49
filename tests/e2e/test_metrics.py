"""Prometheus sees what happened: the request, the record, the INVITE, the end of the call."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from api_gateway.cli.data_dir import free_address
from tests.support.carrier import Carrier
from tests.support.running_mesh import running_mesh

ROOT = Path(__file__).parents[2]


async def scrape(address: str) -> dict[str, float]:
    """Return every sample that is not zero, by name and labels."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{address}/metrics")).text
    samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


async def test_one_call_is_counted_by_every_service_it_went_through(
    tmp_path: Path, answers: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = {
        name: free_address("127.0.0.1") for name in ("API_GATEWAY", "ROUTE_MANAGER", "CALL_MANAGER")
    }
    for name, address in at.items():
        monkeypatch.setenv(f"VBMESH_{name}_METRICS_LISTEN", address)
    async with running_mesh(tmp_path / "data") as mesh:
        provider = await mesh.a_provider(answers.address)
        record = await mesh.place(provider["id"], "+12025550123")
        await mesh.ended(record["call_ids"][0])

        door = await scrape(at["API_GATEWAY"])
        route = await scrape(at["ROUTE_MANAGER"])
        call = await scrape(at["CALL_MANAGER"])

    carrier = f'provider_id="{provider["id"]}"'
    assert any(
        'http_route="/v1.0/providercalls"' in name and 'code="200"' in name and value == 1.0
        for name, value in door.items()
        if name.startswith("http_server_request_duration_seconds_count")
    )
    assert route['providercalls_ended_total{reason="",status="completed"}'] == 1.0
    assert route["providercall_sagas_running"] == 0.0
    assert call[f'sip_invites_ended_total{{code="200",{carrier}}}'] == 1.0
    assert call[f"sip_post_dial_delay_seconds_count{{{carrier}}}"] == 1.0
    assert call['calls_ended_total{by="local",reason="normal"}'] == 1.0
    assert call["calls_live"] == 0.0
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    names = {name.partition("{")[0] for name in (*door, *route, *call)}
    names = {re.sub("_(bucket|sum|count)$", "", n) for n in names if not n.endswith("_created")}
    assert names <= set(re.findall(r"`([a-z_]+)`", page)), "a metric is not documented"


async def test_a_setting_that_only_one_service_may_have_is_refused_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VBMESH_METRICS_LISTEN", "127.0.0.1:9")

    with pytest.raises(AssertionError, match="set VBMESH_FLOW_MANAGER_METRICS_LISTEN"):
        async with running_mesh(tmp_path / "data"):
            pass
