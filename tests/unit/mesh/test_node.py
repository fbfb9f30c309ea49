from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mesh.errors import MeshError
from mesh.node import Node
from mesh.remote import RemoteError
from mesh.settings import MeshSettings
from tests.support.echo import FILE, SERVICE, Echo, EchoRequest, EchoStub, add_to_server
from tests.support.echo_process import EchoProcess, health_of
from tests.support.node import Credentials, running
from tests.support.otlp import otlp_collector
from tests.support.reflection import end_of_reflection

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def node(tmp_path: Path) -> Iterator[EchoProcess]:
    made = EchoProcess(tmp_path, Credentials(tmp_path))
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


async def test_a_node_says_where_it_listens_and_ends_clean(node: EchoProcess) -> None:
    node.spawn(parts="one two three")
    address = await node.address()
    told = json.loads(node.run_file.read_text(encoding="utf-8"))
    assert told == {"grpc": address, "colour": "blue"}
    pid = (node.folder / "run" / "echo.pid").read_text(encoding="utf-8")
    assert int(pid) == node.process.pid
    assert await health_of(address) == SERVING
    assert await health_of(address, SERVICE.full_name) == SERVING

    node.process.send_signal(signal.SIGTERM)
    assert (await node.ended())[0] == 0
    starts, stops = (
        ["start one", "start two", "start three"],
        ["stop three", "stop two", "stop one"],
    )
    assert node.diary() == starts + stops
    assert list((node.folder / "run").iterdir()) == []


async def test_an_ending_node_finishes_what_it_began(node: EchoProcess) -> None:
    node.spawn(VBMESH_DRAIN_DELAY_S="0.5")
    address = await node.address()
    async with node.credentials.channel(address, "friend", FILE) as channel:
        stub = EchoStub(channel)
        await stub.Whisper(EchoRequest(text="warm"))
        began = asyncio.create_task(stub.Whisper(EchoRequest(text="sleep 1.5")))
        await asyncio.sleep(0.1)
        node.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        # It has told the load balancers, and still serves those who have not heard.
        assert await health_of(address) == NOT_SERVING
        assert (await stub.Whisper(EchoRequest(text="late"))).text == "late"
        assert (await began).text == "sleep 1.5"
        assert (await node.ended())[0] == 0
        with pytest.raises(RemoteError):
            await stub.Whisper(EchoRequest(text="too late"))


async def test_a_request_that_outlasts_the_grace_is_cut(node: EchoProcess) -> None:
    node.spawn(VBMESH_DRAIN_GRACE_S="0.3")
    address = await node.address()
    async with node.credentials.channel(address, "friend", FILE, budget_s=20) as channel:
        asked = asyncio.create_task(EchoStub(channel).Whisper(EchoRequest(text="sleep 15")))
        await asyncio.sleep(0.3)
        start = time.monotonic()
        node.process.send_signal(signal.SIGTERM)
        with pytest.raises(RemoteError) as caught:
            await asked
        assert caught.value.unknown_end
        assert (await node.ended())[0] == 0
        assert time.monotonic() - start < 5


async def test_a_node_does_not_outlive_its_supervisor(node: EchoProcess) -> None:
    reading, writing = os.pipe()
    try:
        node.spawn(parts="one", parent=reading, VBMESH_DRAIN_DELAY_S="60")
        address = await node.address()
        assert await health_of(address) == SERVING
        # The kernel does the same when the supervisor is killed.
        os.close(writing)
        start = time.monotonic()
        assert (await node.ended())[0] == 0
        assert time.monotonic() - start < 5
        assert node.diary() == ["start one", "stop one"]
    finally:
        os.close(reading)


async def test_a_part_that_cannot_start_ends_the_node_and_stops_the_others(
    node: EchoProcess,
) -> None:
    node.spawn(parts="one broken three")
    status, _, err = await node.ended()
    assert status == 1
    assert node.diary() == ["start one", "start broken", "stop broken", "stop one"]
    assert "this part cannot start" in err
    assert not node.run_file.exists()


async def test_a_part_that_cannot_stop_does_not_keep_the_others(node: EchoProcess) -> None:
    node.spawn(parts="one stubborn")
    await node.address()
    node.process.send_signal(signal.SIGINT)
    status, _, err = await node.ended()
    assert status == 0
    assert node.diary()[-2:] == ["stop stubborn", "stop one"]
    assert "this part cannot stop" in err


async def test_the_configuration_can_be_checked_without_starting(node: EchoProcess) -> None:
    node.spawn("--check-config", parts="broken")
    status, out, _ = await node.ended()
    assert (status, out) == (0, "The configuration is right.\n")
    assert not (node.folder / "diary.txt").exists()


async def test_a_wrong_configuration_ends_with_every_mistake(node: EchoProcess) -> None:
    node.spawn("--check-config", VBMESH_LOG_LEVEL="loud", VBMESH_RPC_CONCURRENCY_MAX="0")
    status, _, err = await node.ended()
    assert status == 2
    assert {line.split(":")[0] for line in err.splitlines()} == {
        "VBMESH_LOG_LEVEL",
        "VBMESH_RPC_CONCURRENCY_MAX",
    }


async def test_the_trace_of_an_rpc_and_its_log_lines_belong_together(node: EchoProcess) -> None:
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with otlp_collector() as collector:
        node.spawn(VBMESH_OTLP_ENDPOINT=collector.endpoint)
        async with node.credentials.channel(await node.address(), "friend", FILE) as channel:
            headers = (
                ("traceparent", f"00-{trace_id}-{parent_id}-01"),
                ("x-request-id", "req_seen_in_the_log"),
            )
            stub = EchoStub(channel)
            await stub.Whisper(EchoRequest(text="hello"), metadata=headers)
            with pytest.raises(RemoteError):
                await stub.Whisper(EchoRequest(text="fail"), metadata=headers)
        node.process.send_signal(signal.SIGTERM)
        status, _, err = await node.ended()
        assert status == 0
    right, wrong = collector.of_trace(trace_id)
    name = "voipbin.test.v1.EchoService/Whisper"
    assert (right.service, right.name, right.parent_id, right.kind) == ("echo", name, parent_id, 2)
    assert right.attributes["rpc.system.name"] == "grpc"
    assert right.attributes["rpc.method"] == name
    assert right.attributes["rpc.response.status_code"] == "OK"
    assert right.attributes["server.address"] == "127.0.0.1"
    assert (right.is_error, wrong.is_error) == (False, True)
    assert wrong.attributes["error.type"] == "INTERNAL"

    lines = [json.loads(line) for line in err.splitlines()]
    answered = next(line for line in lines if line["event"] == "answered")
    assert (answered["trace_id"], answered["span_id"]) == (trace_id, right.span_id)
    assert answered["request_id"] == "req_seen_in_the_log"
    assert (answered["service"], answered["call_id"]) == ("echo", "c-1")
    assert "swordfish" not in err
    failed = next(line for line in lines if line["event"] == "unexpected failure")
    assert "a failure that nobody foresaw" in failed["exception"]


async def test_metrics_are_served_where_asked(node: EchoProcess, unused_tcp_port: int) -> None:
    node.spawn(VBMESH_METRICS_LISTEN=f"127.0.0.1:{unused_tcp_port}")
    async with node.credentials.channel(await node.address(), "friend", FILE) as channel:
        await EchoStub(channel).Whisper(EchoRequest(text="hello"))

    def scrape() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{unused_tcp_port}/metrics", timeout=5) as r:
            return str(r.read().decode())

    text = await asyncio.to_thread(scrape)
    labels = 'code="OK",method="voipbin.test.v1.EchoService/Whisper"'
    assert f"rpc_server_call_duration_seconds_count{{{labels}}} 1.0" in text


async def reflected(address: str) -> list[str]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([request]), timeout=5):
            return [service.name for service in answer.list_services_response.service]
    return []


async def test_reflection_is_offered_in_development_and_in_the_lab_only(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    for lab, development in ((True, False), (False, True)):
        given = {**credentials.settings("call_manager"), "lab": lab, "development": development}
        node = Node(
            MeshSettings(**given), name="echo", servicers=[(add_to_server, Echo(), SERVICE)]
        )
        async with running(node):
            assert SERVICE.full_name in await reflected(node.address)
    given = {**credentials.settings("call_manager"), "lab": False}
    node = Node(MeshSettings(**given), name="echo", servicers=[(add_to_server, Echo(), FILE)])
    async with running(node):
        assert await end_of_reflection(node.address) is grpc.StatusCode.UNIMPLEMENTED


async def test_an_rpc_of_no_service_here_is_unimplemented(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    node = Node(MeshSettings(**credentials.settings("call_manager")), name="empty")
    async with running(node), credentials.channel(node.address, "friend", FILE) as channel:
        with pytest.raises(RemoteError) as caught:
            await EchoStub(channel).Whisper(EchoRequest())
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED
    assert isinstance(caught.value, MeshError)


async def test_a_front_is_open_only_while_the_rpcs_that_it_asks_are_served(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    seen: list[str] = []

    class Front:
        async def start(self) -> None:
            seen.append(await said("started"))

        async def stop(self) -> None:
            seen.append(await said("stopped"))

    async def said(text: str) -> str:
        async with credentials.channel(node.address, "friend", FILE) as channel:
            return str((await EchoStub(channel).Whisper(EchoRequest(text=text))).text)

    settings = MeshSettings(**credentials.settings("call_manager"))
    servicers = [(add_to_server, Echo(), FILE)]
    node = Node(settings, name="echo", servicers=servicers, fronts=[Front()])
    async with running(node):
        assert seen == ["started"]
    assert seen == ["started", "stopped"]
