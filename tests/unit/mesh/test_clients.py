from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from mesh import contract
from mesh.clients import service_config
from mesh.errors import MeshError
from mesh.node import Node
from mesh.remote import RemoteError
from mesh.settings import MeshSettings
from tests.support.echo import FILE, Echo, EchoRequest, EchoResponse, EchoStub, add_to_server
from tests.support.node import Credentials, running

ROOT = Path(__file__).parents[3]


class NotNow(MeshError):
    code, reason = grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE"


def test_only_idempotent_rpcs_are_retried_and_only_on_unavailable() -> None:
    (retried,) = service_config(contract.methods(FILE))["methodConfig"]
    assert retried["name"] == [{"service": "voipbin.test.v1.EchoService", "method": "Greet"}]
    assert retried["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert retried["retryPolicy"]["maxAttempts"] == 4


def test_no_timeout_stands_beside_a_retry_policy() -> None:
    assert "timeout" not in str(service_config(contract.methods(FILE)))


async def asked_when_unavailable(tmp_path: Path, rpc: str) -> int:
    credentials, echo = Credentials(tmp_path), Echo()

    async def answer(_request: Any, _context: Any) -> Any:
        raise NotNow("Not now.")

    echo.answer = answer
    node = Node(
        MeshSettings(**credentials.settings("call_manager")),
        name="echo",
        servicers=[(add_to_server, echo, FILE)],
    )
    async with running(node), credentials.channel(node.address, "lab", FILE) as channel:
        with pytest.raises(RemoteError) as caught:
            await getattr(EchoStub(channel), rpc)(EchoRequest())
    assert caught.value.reason == "SERVICE_UNAVAILABLE"
    return echo.asked


async def test_an_idempotent_rpc_is_tried_four_times(tmp_path: Path) -> None:
    assert await asked_when_unavailable(tmp_path, "Greet") == 4


async def test_any_other_rpc_is_tried_once(tmp_path: Path) -> None:
    assert await asked_when_unavailable(tmp_path, "Say") == 1


async def test_a_retry_that_succeeds_is_a_success(tmp_path: Path) -> None:
    credentials, echo = Credentials(tmp_path), Echo()

    async def answer(_request: Any, _context: Any) -> Any:
        if echo.asked < 3:
            raise NotNow("Not now.")
        return EchoResponse(text="at last")

    echo.answer = answer
    node = Node(
        MeshSettings(**credentials.settings("call_manager")),
        name="echo",
        servicers=[(add_to_server, echo, FILE)],
    )
    async with running(node), credentials.channel(node.address, "lab", FILE) as channel:
        assert (await EchoStub(channel).Greet(EchoRequest())).text == "at last"


FRESH = """
import asyncio, time
from mesh.clients import channel
from mesh.remote import RemoteError
from tests.support.echo import FILE, EchoRequest, EchoStub

async def main() -> None:
    async with channel("127.0.0.1:1", FILE, token="t", budget_s=5.0) as opened:
        start = time.monotonic()
        try:
            await EchoStub(opened).Greet(EchoRequest())
        except RemoteError as error:
            print(error.code.name, round(time.monotonic() - start, 1))

asyncio.run(main())
"""


@pytest.mark.parametrize("_round", range(3))
def test_the_first_failing_rpc_of_a_fresh_process_does_not_stall(_round: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FRESH],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, seconds = done.stdout.split()
    assert code == "UNAVAILABLE"
    assert float(seconds) < 4
