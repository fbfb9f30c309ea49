"""What a flow does on a call is heard by the carrier, and what the carrier does by the flow."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from voipbin.call.v1 import call_pb2, call_service_pb2, recording_pb2, recording_service_pb2
from voipbin.flow.v1 import activeflow_service_pb2, activeflow_service_pb2_grpc

from call_manager.channel import Credentials
from call_manager.simulator.audio import AudioSettings
from call_manager.simulator.endpoint import Simulator, SimulatorSettings
from call_manager.simulator.wires import Listening
from mesh.remote import RemoteError
from tests.service.call_manager.calls_world import tel
from tests.service.call_manager.exchange import Exchange, ended
from tests.support import spectrum

ECHOES_DIGITS = "+12025555011"
PLAYS_440_HZ = "+12025555044"


@dataclass
class Stage:
    """The exchange, a carrier that listens, and a Web server with one sound."""

    exchange: Exchange
    carrier: str
    events: list[tuple[str, dict[str, Any]]]
    sounds: str

    async def call(self, number: str, *actions: tuple[str, dict[str, Any]]) -> str:
        flow_id = await self.exchange.flow(*actions)
        return await self.exchange.dial(self.carrier, flow_id=flow_id, destination=tel(number))

    def heard(self) -> list[int]:
        """Return what the carrier heard of the call that ended last."""
        over = [facts for name, facts in self.events if name == "over"][-1]
        (samples,), _ = spectrum.of_wav(Path(over["wav"]))
        return samples

    async def executed(self, call: call_pb2.Call) -> list[tuple[str, str]]:
        """Return the types of the actions that ran, and why they failed."""
        channel = self.exchange.neighbour("flow_manager", activeflow_service_pb2.DESCRIPTOR)
        stub = activeflow_service_pb2_grpc.ActiveflowServiceStub(channel)
        request = activeflow_service_pb2.ActiveflowGetRequest(id=call.activeflow_id)
        found = (await stub.ActiveflowGet(request)).activeflow.executed_actions
        return [(action.type, action.error) for action in found]


@asynccontextmanager
async def a_web_server(content: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        found = asked.startswith(b"GET /there.wav ")
        status, body = (b"200 OK", content) if found else (b"404 Not Found", b"")
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % (status, len(body)) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def a_wav(samples: list[int]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writing:
        writing.setnchannels(1)
        writing.setsampwidth(2)
        writing.setframerate(8000)
        writing.writeframes(spectrum.pcm16(samples))
    return file.getvalue()


@pytest.fixture
async def stage(tmp_path: Path, fresh_postgres: str | None) -> AsyncIterator[Stage]:
    events: list[tuple[str, dict[str, Any]]] = []
    simulator = Simulator(
        SimulatorSettings(
            Listening(("127.0.0.1", 0)),
            Credentials("carrier", "secret"),
            AudioSettings("127.0.0.1", (26_000, 27_998), heard_dir=tmp_path),
        ),
        lambda event, /, **facts: events.append((event, facts)),
    )
    await simulator.start()
    async with (
        a_web_server(a_wav(spectrum.sine(900.0, 0.6, amplitude=6000))) as sounds,
        Exchange(tmp_path, fresh_postgres).neighbours() as exchange,
        exchange.serving(),
    ):
        carrier = await exchange.carrier(f"127.0.0.1:{simulator.address[1]}")
        yield Stage(exchange, carrier, events, sounds)
    await simulator.stop(grace_s=0.0)


async def test_a_flow_speaks_plays_sends_and_receives_and_says_what_failed(stage: Stage) -> None:
    call_id = await stage.call(
        ECHOES_DIGITS,
        ("answer", {}),
        ("beep", {}),
        ("play", {"stream_urls": [f"{stage.sounds}/nowhere.wav"]}),
        ("digits_send", {"digits": "42#", "duration": 100, "interval": 60}),
        ("digits_receive", {"key": "#", "duration": 5000}),
        ("talk", {"text": "The digits were ${voipbin.call.digits}."}),
        ("hangup", {}),
    )
    call = await stage.exchange.until(call_id, "hangup", within_s=30)
    assert ended(call) == ("local", "normal", 200)
    executed = await stage.executed(call)
    assert [kind for kind, _ in executed] == [
        "answer", "beep", "play", "digits_send", "digits_receive", "talk", "hangup"
    ]  # fmt: skip
    assert [kind for kind, error in executed if error] == ["play"]
    over = [facts for name, facts in stage.events if name == "over"][-1]
    assert over["digits"] == "42#"
    spoken = stage.heard()[8000:]
    assert spectrum.rms(spectrum.loud(spoken)) > 300
    assert len(spectrum.loud(spoken)) > 8000, "more than a second is spoken"


async def test_a_recording_holds_the_carrier_left_and_us_right(stage: Stage) -> None:
    call_id = await stage.call(
        PLAYS_440_HZ,
        ("recording_start", {"beep_start": True}),
        ("play", {"stream_urls": [f"{stage.sounds}/there.wav"]}),
        ("recording_stop", {}),
        ("hangup", {}),
    )
    call = await stage.exchange.until(call_id, "hangup", within_s=30)
    assert [error for _, error in await stage.executed(call)] == [""] * 4
    (recording_id,) = call.recording_ids
    request = recording_service_pb2.RecordingGetRequest(id=recording_id)
    recording = (await stage.exchange.recordings().RecordingGet(request)).recording
    assert recording.status == recording_pb2.RECORDING_STATUS_ENDED
    assert (recording.reference_id, call.recording_id) == (call_id, "")
    assert 500 <= recording.duration_ms <= 5000
    asked = recording_service_pb2.RecordingFileGetRequest(id=recording_id)
    pieces = [piece.body async for piece in stage.exchange.recordings().RecordingFileGet(asked)]
    assert {piece.content_type for piece in pieces} == {"audio/wav"}
    content = b"".join(piece.data for piece in pieces)
    assert len(content) == recording.size
    path = stage.exchange.folder / "recorded.wav"
    await asyncio.to_thread(path.write_bytes, content)
    (callee, ours), rate_hz = spectrum.of_wav(path)
    assert (rate_hz, len(callee)) == (8000, recording.duration_ms * 8)
    assert spectrum.purity(callee[400:-400], 440.0) > 0.9
    sound = spectrum.loud(ours)
    assert len(sound) == pytest.approx(4800, abs=400)
    assert spectrum.purity(sound, 900.0) > 0.9


async def test_orders_reach_a_call_that_is_answered(stage: Stage) -> None:
    calls = stage.exchange.calls()
    call_id = await stage.call(PLAYS_440_HZ, ("sleep", {"duration": 60_000}))
    await stage.exchange.until(call_id, "progressing")
    start = call_service_pb2.CallRecordingStartRequest(id=call_id)
    recorded = (await calls.CallRecordingStart(start)).call
    assert [recorded.recording_id] == list(recorded.recording_ids)
    with pytest.raises(RemoteError) as again:
        await calls.CallRecordingStart(start)
    assert again.value.reason == "RECORDING_IN_PROGRESS"
    text = call_service_pb2.CallTalkRequest(id=call_id, text="Hello, hello, hello.")
    assert (await calls.CallTalk(text)).call.id == call_id
    async with asyncio.timeout(20):
        while not any(name == "tone" for name, _ in stage.events):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    stop = call_service_pb2.CallRecordingStopRequest(id=call_id)
    assert (await calls.CallRecordingStop(stop)).call.recording_id == ""
    await stage.exchange.hangup(call_id)
    await stage.exchange.until(call_id, "hangup")
    assert len(spectrum.loud(stage.heard())) > 4000
    with pytest.raises(RemoteError) as late:
        await calls.CallTalk(text)
    assert late.value.reason == "CALL_NOT_ANSWERED"
    listed = recording_service_pb2.RecordingListRequest(
        customer_id=stage.exchange.customer, call_id=call_id
    )
    (shown,) = (await stage.exchange.recordings().RecordingList(listed)).result
    assert shown.id == recorded.recording_id
    delete = recording_service_pb2.RecordingDeleteRequest(id=shown.id)
    assert (await stage.exchange.recordings().RecordingDelete(delete)).recording.HasField(
        "tm_delete"
    )
    asked = recording_service_pb2.RecordingFileGetRequest(id=shown.id)
    with pytest.raises(RemoteError) as gone:
        _ = [piece async for piece in stage.exchange.recordings().RecordingFileGet(asked)]
    assert gone.value.reason == "RECORDING_NOT_FOUND"
