"""What keeps a node from starting, and what it says then."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2

from mesh.node import Node
from mesh.parent import PARENT_FD
from mesh.runfiles import RunFiles
from mesh.settings import MeshSettings
from mesh.start import EXIT_REFUSED, StartRefused
from tests.support.echo_process import EchoProcess, health_of
from tests.support.node import Credentials
from tests.support.running_mesh import eventually

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def node(tmp_path: Path) -> Iterator[EchoProcess]:
    made = EchoProcess(tmp_path, Credentials(tmp_path))
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


async def test_an_address_that_is_taken_ends_the_node_with_one_line(
    node: EchoProcess, tmp_path: Path
) -> None:
    node.spawn()
    address = await node.address()
    (tmp_path / "second").mkdir()
    second = EchoProcess(tmp_path / "second", Credentials(tmp_path / "second"))
    second.spawn(VBMESH_GRPC_LISTEN=address, VBMESH_LOG_LEVEL="ERROR")
    status, _, err = await second.ended()
    assert status == EXIT_REFUSED
    # gRPC says something of its own before.
    line = err.splitlines()[-1]
    assert line.startswith(f"echo: cannot listen at {address} for gRPC (Address already in use).")
    assert "VBMESH_GRPC_LISTEN" in line
    assert "Traceback" not in err


async def test_metrics_that_cannot_be_served_end_the_node_with_one_line(node: EchoProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        node.spawn(VBMESH_METRICS_LISTEN=address)
        status, _, err = await node.ended()
    assert status == EXIT_REFUSED
    assert err.startswith(f"echo: cannot listen at {address} for metrics (Address already in use).")


async def test_a_data_directory_that_cannot_be_written_to_ends_the_node_with_one_line(
    node: EchoProcess,
) -> None:
    (node.folder / "run").write_text("in the way")
    node.spawn(VBMESH_LOG_LEVEL="ERROR")
    status, _, err = await node.ended()
    assert status == EXIT_REFUSED
    (line,) = err.splitlines()
    assert line.startswith(f"echo: cannot write to {node.folder / 'run'}")


def read_pid(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None


async def test_a_second_node_on_a_data_directory_waits_for_the_first_to_end(
    node: EchoProcess,
) -> None:
    node.spawn()
    await node.address()
    second = EchoProcess(node.folder, node.credentials)
    second.spawn()
    try:
        await asyncio.sleep(2)
        pid_file = node.folder / "run" / "echo.pid"
        assert second.process.poll() is None
        assert int(pid_file.read_text()) == node.process.pid
        assert node.run_file.exists()
        # The kernel frees the directory, whatever ended the first.
        node.process.kill()
        await node.ended()
        await eventually(lambda: read_pid(pid_file) == second.process.pid)
        assert await health_of(await second.address()) == SERVING
    finally:
        second.process.terminate()
        assert (await second.ended())[0] == 0


async def test_a_node_that_waits_for_another_can_be_told_to_end(node: EchoProcess) -> None:
    held = RunFiles(node.folder, "echo")
    assert held.hold()
    held.write_addresses({"grpc": "another's"})
    node.spawn(parts="one")
    await asyncio.sleep(2)
    node.process.send_signal(signal.SIGTERM)
    assert (await node.ended())[0] == 0
    assert held.listens
    held.release()
    assert not (node.folder / "diary.txt").exists()


async def test_a_node_does_not_wait_for_ever_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.node._EARLIER_MARGIN_S", -6.9)
    settings = MeshSettings(**Credentials(tmp_path).settings("call_manager"))
    held = RunFiles(tmp_path, "echo")
    assert held.hold()
    with pytest.raises(StartRefused, match="another echo runs on"):
        await Node(settings, name="echo").run()
    held.release()


async def test_what_a_node_writes_is_its_users_alone(node: EchoProcess) -> None:
    node.folder.chmod(0o755)
    node.spawn(parts="one")
    await node.address()
    for path in (node.folder / "diary.txt", node.run_file, node.folder / "run"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("named", ["x", "77"])
async def test_a_supervisor_that_is_none_ends_the_node_with_one_line(
    node: EchoProcess, named: str
) -> None:
    node.spawn(VBMESH_PARENT_FD=named, VBMESH_LOG_LEVEL="ERROR")
    status, _, err = await node.ended()
    assert status == EXIT_REFUSED
    assert err == f"echo: {PARENT_FD} names no open file. Only a supervisor sets it; unset it.\n"
