"""The examples work as they are printed, and the published contracts make working clients."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.carrier import Carrier
from tests.support.running_mesh import RunningMesh

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
RUN_S_MAX = 60.0

CLIENT = """
import os, sys, grpc
from voipbin.route.v1 import provider_service_pb2, provider_service_pb2_grpc

assert provider_service_pb2.__file__.startswith(os.getcwd()), provider_service_pb2.__file__
with grpc.insecure_channel(sys.argv[1]) as channel:
    providers = provider_service_pb2_grpc.ProviderServiceStub(channel)
    credential = [("authorization", "Bearer " + os.environ["VBMESH_TOKEN"])]
    request = provider_service_pb2.ProviderListRequest(page_size=1)
    page = providers.ProviderList(request, metadata=credential, timeout=10)
    print("listed", len(page.result))
"""


async def run(
    *command: str, cwd: Path, token: str, path: str | None = None
) -> tuple[int | None, str]:
    """Run a Python program to its end; return its status and what it printed."""
    environment = {**os.environ, "VBMESH_TOKEN": token}
    environment.pop("PYTHONPATH", None)
    if path is not None:
        environment["PYTHONPATH"] = path
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=cwd, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), RUN_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()


@pytest.mark.parametrize(
    ("program", "address"),
    [("rest_provider_call.py", "http"), ("grpc_provider_call.py", "public_grpc")],
)
async def test_an_example_places_a_call_and_shows_its_messages(
    mesh: RunningMesh, answers: Carrier, program: str, address: str
) -> None:
    status, said = await run(
        str(EXAMPLES / program), "--api", mesh.ready[address], "--carrier", answers.address,
        "--from", "+12025550100", "--to", "+12025550123",
        cwd=ROOT, token=mesh.ready["admin"]["token"],
    )  # fmt: skip
    assert status == 0, said
    assert ": 200 OK" in said
    for method in ("INVITE", "200 INVITE", "ACK", "BYE"):
        assert any(line.endswith(f"  {method}") for line in said.splitlines()), said


@pytest.mark.parametrize(
    ("program", "address"),
    [("rest_provider_call.py", "http"), ("grpc_provider_call.py", "public_grpc")],
)
async def test_an_example_says_why_it_was_refused(
    mesh: RunningMesh, program: str, address: str
) -> None:
    status, said = await run(
        str(EXAMPLES / program), "--api", mesh.ready[address], "--carrier", "not a host",
        "--from", "+12025550100", "--to", "+12025550123",
        cwd=ROOT, token=mesh.ready["admin"]["token"],
    )  # fmt: skip
    assert status == 1
    assert said.startswith("INVALID_HOSTNAME: "), said


async def test_stubs_made_of_the_published_contracts_can_ask_the_mesh(
    mesh: RunningMesh, tmp_path: Path
) -> None:
    answer = await mesh.http.get("/protos.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
        protos = sorted(name for name in archive.namelist() if name.endswith(".proto"))
    compile_ = ["-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=."]
    token = mesh.ready["admin"]["token"]
    status, said = await run(*compile_, *protos, cwd=tmp_path, token=token)
    assert status == 0, said
    # Here our own package is installed; one without these files would lose to it.
    for folder in {folder for name in protos for folder in Path(name).parents}:
        if folder.parts[:1] in (("voipbin",), ("buf",)):
            (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "client.py").write_text(CLIENT)
    status, said = await run(
        "client.py", mesh.ready["public_grpc"], cwd=tmp_path, token=token, path=str(tmp_path)
    )
    assert status == 0, said
    assert said.startswith("listed ")
