"""What a provider's settings and a caller's wishes look like in the INVITE a real sipp receives."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.running_mesh import RunningMesh, ok
from tests.support.sipp import Sipp, TracedMessage, free_udp_port

NUMBER: Final = "+12025550123"


async def invite_of(
    mesh: RunningMesh, provider: dict[str, Any], **fields: Any
) -> tuple[TracedMessage, dict[str, Any]]:
    """Place a call through a sipp with these settings; return its INVITE and the ended call."""
    async with Sipp("answers.xml", free_udp_port()) as sipp:
        made = await mesh.a_provider(sipp.address, **provider)
        record = await mesh.place(made["id"], NUMBER, **fields)
        call = await mesh.ended(record["call_ids"][0])
        assert await sipp.exit_status() == 0, sipp.errors()
        (invite,) = sipp.received("INVITE")
    # Whatever port sipp was given.
    return TracedMessage(invite.sent, invite.text.replace(sipp.address, "CARRIER")), call


@pytest.mark.parametrize(
    ("affixes", "uri"),
    [
        ({}, f"sip:{NUMBER}@CARRIER"),
        ({"tech_prefix": "0011#"}, f"sip:0011#{NUMBER}@CARRIER"),
        ({"tech_postfix": "*9"}, f"sip:{NUMBER}*9@CARRIER"),
        # The documents' own example, without its two @.
        (
            {"tech_prefix": "1", "tech_postfix": "@provider.com"},
            f"sip:1{NUMBER}@provider.com",
        ),
    ],
)
async def test_the_number_is_wrapped_in_prefix_and_postfix(
    mesh: RunningMesh, affixes: dict[str, str], uri: str
) -> None:
    invite, call = await invite_of(mesh, affixes)

    assert invite.start == f"INVITE {uri} SIP/2.0"
    assert invite.header("To") == f"<{uri}>"
    carrier = call["attempts"][0]["remote_address"]
    assert call["attempts"][0]["request_uri"].replace(carrier, "CARRIER") == uri


async def test_the_providers_headers_come_along_with_their_case(mesh: RunningMesh) -> None:
    headers = {"X-Account": "42", "x-trunk-ID": "a; b=c, d", "P-Charging-Vector": "<sip:1@b>"}

    invite, _ = await invite_of(mesh, {"tech_headers": headers})

    assert {name: invite.header(name) for name in headers} == headers


@pytest.mark.parametrize(
    ("codecs", "payloads", "first"),
    [
        ("PCMA,PCMU", ["8", "0"], "PCMA/8000"),
        ("PCMU", ["0"], "PCMU/8000"),
        ("G729,PCMU", ["18", "0"], "G729/8000"),
    ],
)
async def test_the_offer_lists_the_providers_codecs_in_their_order(
    mesh: RunningMesh, codecs: str, payloads: list[str], first: str
) -> None:
    invite, call = await invite_of(mesh, {"codecs": codecs})

    (media,) = [line for line in invite.text.splitlines() if line.startswith("m=audio ")]
    offered = media.split()[3:]
    assert offered[: len(payloads)] == payloads
    # Beside the codecs only DTMF may be offered.
    assert set(offered) - set(payloads) <= {"101"}
    maps = [line for line in invite.text.splitlines() if line.startswith("a=rtpmap:")]
    assert maps[0] == f"a=rtpmap:{payloads[0]} {first}"
    assert call["attempts"][0]["codec"] == "PCMU"


async def test_a_hidden_caller_is_told_to_the_carrier_alone(mesh: RunningMesh) -> None:
    source = {"type": "tel", "target": "+12025550100", "target_name": "Alice"}

    invite, call = await invite_of(mesh, {}, anonymous="yes", source=source)

    shown = invite.header("From").partition(";")[0]
    assert shown == '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert invite.header("P-Asserted-Identity") == "<tel:+12025550100>"
    assert invite.header("Privacy") == "id"
    contact = invite.header("Contact")
    assert "12025550100" not in contact
    assert "Alice" not in invite.text
    assert call["anonymous"] == "yes"


@pytest.mark.parametrize("anonymous", ["no", "auto", None])
async def test_a_caller_who_hides_nothing_is_shown(
    mesh: RunningMesh, anonymous: str | None
) -> None:
    source = {"type": "tel", "target": "+12025550100", "target_name": 'A "B" C'}

    invite, call = await invite_of(mesh, {}, anonymous=anonymous, source=source)

    shown = invite.header("From").partition(";")[0]
    assert shown == '"A \\"B\\" C" <sip:+12025550100@127.0.0.1>'
    assert invite.lines("Privacy") == invite.lines("P-Asserted-Identity") == []
    assert call["anonymous"] == (anonymous or "auto")


async def test_a_changed_provider_is_dialled_as_it_is_now(mesh: RunningMesh) -> None:
    async with Sipp("answers.xml", free_udp_port(), calls=2) as sipp:
        provider = await mesh.a_provider("127.0.0.1:9", tech_prefix="7")
        path = f"/v1.0/providers/{provider['id']}"
        ok(await mesh.put(path, {"hostname": sipp.address, "tech_prefix": "8"}))
        for prefix in ("8", "9"):
            ok(await mesh.put(path, {"tech_prefix": prefix}))
            record = await mesh.place(provider["id"], NUMBER)
            await mesh.ended(record["call_ids"][0])
        assert await sipp.exit_status() == 0, sipp.errors()
        starts = [invite.start for invite in sipp.received("INVITE")]

    assert starts == [f"INVITE sip:{p}{NUMBER}@{sipp.address} SIP/2.0" for p in ("8", "9")]


async def test_a_real_tshark_reads_the_pcap_and_counts_the_same_messages(
    mesh: RunningMesh, tmp_path: Path
) -> None:
    _, call = await invite_of(mesh, {"tech_headers": {"X-Long": "x" * 900}})
    timeline = f"/v1.0/timelines/calls/{call['id']}"
    messages = ok(await mesh.get(f"{timeline}/sip-analysis"))["sip_messages"]

    response = await mesh.get(f"{timeline}/pcap")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/vnd.tcpdump.pcap"
    assert f"call-{call['id']}.pcap" in response.headers["content-disposition"]
    file = tmp_path / "call.pcap"
    file.write_bytes(response.content)
    port = mesh.ready["sip"].rpartition(":")[2]
    fields = ("ip.src", "udp.srcport", "ip.dst", "udp.dstport", "sip.CSeq.method")
    rows = await tshark(
        file, "-d", f"udp.port=={port},sip", "-Y", "sip", "-T", "fields",
        *(word for name in fields for word in ("-e", name)),
    )  # fmt: skip
    assert rows == [
        [
            one["src_ip"], str(one["src_port"]), one["dst_ip"], str(one["dst_port"]),
            one["method"].split()[-1],
        ]
        for one in messages
    ]  # fmt: skip
    checked = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    bad = '_ws.malformed || udp.checksum.status != "Good" || ip.checksum.status != "Good"'
    assert await tshark(file, "-d", f"udp.port=={port},sip", *checked, "-Y", bad) == []


async def tshark(file: Path, *options: str) -> list[list[str]]:
    """Return the lines that tshark prints, split at tabs."""
    process = await asyncio.create_subprocess_exec(
        "tshark", "-n", "-r", str(file), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, complaints = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, complaints.decode()
    return [line.split("\t") for line in output.decode().splitlines() if line]
