"""Audio files through the whole mesh, as curl sends them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx

from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh, ok, reason
from tests.support.wav_files import chunk, fmt, pcm, riff, sine

PATH: Final = "/v1.0/audio_files"
KEYS: Final = [
    "id", "customer_id", "name", "duration_ms", "size", "sample_rate", "channels",
    "tm_create", "tm_update", "tm_delete",
]  # fmt: skip
CUSTOMER: Final = "customer_admin"


async def upload(mesh: RunningMesh, file: bytes, query: str = "") -> httpx.Response:
    # What curl says of --data-binary when it is told nothing.
    kind = {"content-type": "application/x-www-form-urlencoded"}
    headers = {**mesh.headers(CUSTOMER), **kind}
    return await mesh.http.post(f"{PATH}{query}", content=file, headers=headers)


async def shown(mesh: RunningMesh) -> list[Any]:
    return list(ok(await mesh.get(PATH, CUSTOMER))["result"])


async def test_the_largest_file_is_uploaded_and_comes_back_as_it_was(mesh: RunningMesh) -> None:
    head = riff(fmt(rate=8000, channels=1), chunk(b"data", b""))
    most = riff(fmt(rate=8000), chunk(b"data", bytes(4 * 1024 * 1024 - len(head))))
    made = ok(await upload(mesh, most, "?name=caf%C3%A9"))
    assert list(made) == KEYS
    assert (made["name"], made["size"]) == ("café", 4 * 1024 * 1024)
    assert (made["sample_rate"], made["channels"], made["duration_ms"]) == (8000, 1, 262_141)
    assert made in await shown(mesh)
    path = f"{PATH}/{made['id']}"
    assert ok(await mesh.get(path, CUSTOMER)) == made

    file = await mesh.get(f"{path}/file", CUSTOMER)
    assert (file.content, file.headers["content-type"]) == (most, "audio/wav")
    assert file.headers["content-disposition"].startswith("attachment")

    gone = ok(await mesh.delete(path, CUSTOMER))
    assert gone["tm_delete"] is not None
    assert ok(await mesh.get(path, CUSTOMER)) == gone
    assert reason(await mesh.get(f"{path}/file", CUSTOMER)) == (404, "AUDIO_FILE_NOT_FOUND")
    assert gone["id"] not in [one["id"] for one in await shown(mesh)]


async def test_what_is_too_large_or_no_sound_is_refused_and_not_kept(mesh: RunningMesh) -> None:
    before = await shown(mesh)
    told = await upload(mesh, bytes(4 * 1024 * 1024 + 1))
    assert reason(told) == (413, "BODY_TOO_LARGE")
    told = await upload(mesh, b"ID3\4 an mp3 file")
    assert reason(told) == (400, "AUDIO_FILE_INVALID")
    assert told.json()["error"]["message"] == "The file is no WAV file (RIFF/WAVE)."
    assert await shown(mesh) == before


async def test_files_that_come_at_once_are_all_kept(mesh: RunningMesh) -> None:
    files = [pcm(sine(100.0 * n, seconds=0.1)) for n in range(1, 5)]
    made = [ok(one) for one in await asyncio.gather(*(upload(mesh, file) for file in files))]
    assert {one["id"] for one in made} <= {one["id"] for one in await shown(mesh)}
    for one in made:
        ok(await mesh.delete(f"{PATH}/{one['id']}", CUSTOMER))


async def test_a_call_plays_its_own_customers_file_and_nobody_elses(
    mesh: RunningMesh, answers: Carrier
) -> None:
    tone = pcm(sine(440.0, rate=16_000, seconds=0.3), rate=16_000, channels=2)
    others = ok(await upload(mesh, tone))["id"]
    made = await mesh.http.post(PATH, content=tone, headers=mesh.headers())
    locations = [f"audio_file:{one}" for one in (ok(made)["id"], others)]
    plays = [{"type": "play", "option": {"stream_urls": [one]}} for one in locations]
    provider = await mesh.a_provider(answers.address)
    actions = [*plays, {"type": "hangup"}]
    record = await mesh.place(provider["id"], "+12025550178", actions=actions)
    call = await mesh.ended(record["call_ids"][0])
    ran = ok(await mesh.get(f"/v1.0/activeflows/{call['activeflow_id']}"))
    assert [(one["type"], one["error"]) for one in ran["executed_actions"]] == [
        ("play", ""),
        ("play", f"No audio file has the id {others}."),
        ("hangup", ""),
    ]
