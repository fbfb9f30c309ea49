"""What a call plays, says and records is measured at both of its ends, over REST alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mesh.clock import new_id
from tests.support import spectrum
from tests.support.running_mesh import RunningMesh, eventually, ok
from tests.support.simulated import overs, simulated
from tests.support.wav_files import pcm, sine

# What is heard does not depend on the database; how recordings are stored is another test's.
pytestmark = pytest.mark.one_engine("sqlite")

PLAYS_440_HZ, PLAYS_600_HZ = "+12025555044", "+12025555060"
RETURNS_DIGITS, SENDS_512 = "+12025555011", "+12025555512"
EARLY_FOR_A_SECOND, RINGS_ONE_SECOND = "+12025550131", "+12025550111"
TONE_HZ, TONE_S = 900.0, 0.6
SHORT, LONG = "Good evening.", "Good evening, and thank you for calling us so late today."


@dataclass(frozen=True)
class Stage:
    """A carrier that hears and answers by its numbers, and a sound to be played to it."""

    mesh: RunningMesh
    provider: str
    log: Path
    sound: str

    async def place(self, number: str, *actions: dict[str, Any], **fields: Any) -> str:
        record = await self.mesh.place(self.provider, number, actions=actions, **fields)
        return str(record["call_ids"][0])

    async def over(self, number: str, *actions: dict[str, Any], **fields: Any) -> Call:
        """Let a call do what the actions say, and see it end."""
        return await self.heard(await self.place(number, *actions, **fields))

    async def heard(self, call_id: str) -> Call:
        """Wait until a call is over, here and there."""
        call = await self.mesh.ended(call_id, within_s=40)
        flow = ok(await self.mesh.get(f"/v1.0/activeflows/{call['activeflow_id']}"))
        (attempt,) = call["attempts"]

        def ends() -> list[dict[str, Any]]:
            return [one for one in overs(self.log, 1) if one["call"] == attempt["sip_call_id"]]

        (there,) = await eventually(ends)
        (samples,), _ = await asyncio.to_thread(spectrum.of_wav, Path(there["wav"]))
        return Call(call, flow["executed_actions"], there, samples)

    async def recorded(self, recording_id: str) -> tuple[list[int], list[int]]:
        """Download a recording; return what the callee said, and what we did."""
        shown = ok(await self.mesh.get(f"/v1.0/recordings/{recording_id}"))
        assert (shown["status"], shown["format"]) == ("ended", "wav")
        file = await self.mesh.get(f"/v1.0/recordings/{recording_id}/file")
        assert file.headers["content-type"] == "audio/wav"
        assert len(file.content) == shown["size"]
        path = self.log.parent / f"{recording_id}.wav"
        await asyncio.to_thread(path.write_bytes, file.content)
        (left, right), rate_hz = await asyncio.to_thread(spectrum.of_wav, path)
        assert (rate_hz, len(left)) == (8000, shown["duration_ms"] * 8)
        return left, right


@dataclass(frozen=True)
class Call:
    """A call that is over, as both ends tell of it."""

    call: dict[str, Any]
    executed: list[dict[str, Any]]
    there: dict[str, Any]
    samples: list[int]
    """What the carrier heard."""

    @property
    def ran(self) -> list[tuple[str, str]]:
        """The types of the actions that ran, and why they failed."""
        return [(one["type"], one["error"]) for one in self.executed]


def act(kind: str, **option: Any) -> dict[str, Any]:
    return {"type": kind, "option": option}


def well(*kinds: str) -> list[tuple[str, str]]:
    return [(kind, "") for kind in kinds]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(
    mesh: RunningMesh, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("simulated")
    async with simulated(folder, "--heard-dir", str(folder)) as (ready, log):
        provider = await mesh.a_provider(ready["sip"])
        tone = pcm(sine(TONE_HZ, rate=22_050, seconds=TONE_S, level=0.2), rate=22_050, channels=2)
        made = await mesh.http.post("/v1.0/audio_files", content=tone, headers=mesh.headers())
        yield Stage(mesh, provider["id"], log, f"audio_file:{ok(made)['id']}")


async def test_a_recording_holds_their_tone_left_and_what_they_heard_of_us_right(
    stage: Stage,
) -> None:
    over = await stage.over(
        PLAYS_440_HZ,
        act("recording_start"),
        act("play", stream_urls=[stage.sound]),
        act("recording_stop"),
        act("hangup"),
    )
    assert over.ran == well("recording_start", "play", "recording_stop", "hangup")
    (recording,) = over.call["recording_ids"]
    theirs, ours = await stage.recorded(recording)
    assert spectrum.purity(theirs[400:-400], 440.0) > 0.9
    assert spectrum.level(theirs[400:-400], TONE_HZ) < 100
    for side in (ours, over.samples):
        tone = spectrum.loud(side)
        assert len(tone) == pytest.approx(TONE_S * 8000, abs=400)
        assert spectrum.purity(tone, TONE_HZ) > 0.9
        assert spectrum.level(tone, TONE_HZ) == pytest.approx(0.2 * 32_767, rel=0.1)


async def test_speech_is_heard_there_and_lasts_as_long_as_its_text(stage: Stage) -> None:
    short, long = await asyncio.gather(
        *(
            stage.over(PLAYS_440_HZ, act("talk", text="${words}"), variables={"words": words})
            for words in (SHORT, LONG)
        )
    )
    lengths = []
    for over in (short, long):
        assert over.ran == well("talk")
        speech = spectrum.loud(over.samples)
        assert spectrum.rms(speech) > 500
        # A voice is no tone: no frequency of the telephone's band has most of it.
        assert max(spectrum.purity(speech, float(hz)) for hz in range(100, 3400, 50)) < 0.5
        lengths.append(len(speech) / 8000)
    assert 0.4 < lengths[0] < 2.5
    assert 2.5 * lengths[0] < lengths[1] < 8


async def test_digits_go_there_and_come_back_and_steer_the_flow(stage: Stage) -> None:
    good = str(new_id())
    steered = (
        act("branch", target_ids={"42": good, "512": good}),
        act("hangup", reason="busy"),
        {"id": good, **act("sleep", duration=20)},
    )
    returned, theirs = await asyncio.gather(
        stage.over(
            RETURNS_DIGITS,
            act("digits_send", digits="${code}#", duration=100, interval=60),
            act("digits_receive", key="#", duration=9000),
            *steered,
            variables={"code": "42"},
        ),
        stage.over(SENDS_512, act("digits_receive", length=3, duration=9000), *steered),
    )
    assert returned.there["digits"] == "42#"
    assert returned.ran == well("digits_send", "digits_receive", "branch", "sleep")
    assert theirs.ran == well("digits_receive", "branch", "sleep")


async def test_an_echo_brings_back_what_was_said(stage: Stage) -> None:
    over = await stage.over(PLAYS_600_HZ, act("echo", duration=700))
    assert over.ran == well("echo")
    sound = spectrum.loud(over.samples)
    assert len(sound) > 3000
    assert spectrum.purity(sound, 600.0) > 0.9


async def test_what_is_asked_of_a_live_call_is_heard_and_recorded(stage: Stage) -> None:
    call_id = await stage.place(PLAYS_440_HZ, act("sleep", duration=60_000))
    path = f"/v1.0/calls/{call_id}"
    await stage.mesh.call_in(call_id, "progressing")
    recording = ok(await stage.mesh.post(f"{path}/recording_start"))["recording_id"]
    ok(await stage.mesh.post(f"{path}/talk", {"text": SHORT, "language": "en-US"}))
    await eventually(lambda: '"tone"' in stage.log.read_text(), within_s=20)
    await asyncio.sleep(0.5)
    ok(await stage.mesh.post(f"{path}/recording_stop"))
    ok(await stage.mesh.post(f"{path}/hangup"))
    over = await stage.heard(call_id)
    theirs, ours = await stage.recorded(recording)
    assert spectrum.purity(theirs[400:-400], 440.0) > 0.9
    for side in (ours, over.samples):
        assert spectrum.rms(spectrum.loud(side)) > 500


async def test_a_flow_begins_with_the_early_audio_only_where_it_is_asked_for(stage: Stage) -> None:
    actions = act("play", stream_urls=[stage.sound]), act("answer"), act("sleep", duration=300)
    early, late = await asyncio.gather(
        *(
            stage.over(EARLY_FOR_A_SECOND, *actions, early_execution=early)
            for early in (True, False)
        )
    )
    for over in (early, late):
        assert over.ran == well("play", "answer", "sleep")
        assert spectrum.purity(spectrum.loud(over.samples), TONE_HZ) > 0.9
    assert early.executed[0]["tm_execute"] < early.call["tm_progressing"]
    assert early.executed[-1]["tm_execute"] >= early.call["tm_progressing"]
    assert late.executed[0]["tm_execute"] >= late.call["tm_progressing"]


async def test_an_action_that_fails_moves_on_and_the_timeline_says_why(stage: Stage) -> None:
    over = await stage.over(
        RINGS_ONE_SECOND,
        act("play", stream_urls=["http://127.0.0.1:9/gone.wav"]),
        act("talk", text="${nothing}"),
        act("play", stream_urls=[stage.sound]),
        act("hangup"),
    )
    assert [(kind, bool(error)) for kind, error in over.ran] == [
        ("play", True),
        ("talk", True),
        ("play", False),
        ("hangup", False),
    ]
    assert over.executed[0]["error"] == "The server could not be reached."
    assert spectrum.purity(spectrum.loud(over.samples), TONE_HZ) > 0.9
    path = f"/v1.0/timelines/activeflows/{over.call['activeflow_id']}/events"
    told = [
        action["error"]
        for event in ok(await stage.mesh.get(path))["result"]
        for action in event["data"]["executed_actions"]
    ]
    assert {over.executed[0]["error"], over.executed[1]["error"]} <= set(told)
