"""The whole mesh as its user starts it: `vbmesh up`, four processes, real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.support import mesh_databases
from tests.support.ledger import Ledger

READY_S: Final = 60.0
STARTS_MAX: Final = 3
VBMESH: Final = Path(sys.executable).parent / "vbmesh"

T = TypeVar("T")


class RunningMesh:
    """A mesh that was started with `vbmesh up`, and the document it wrote when it was ready."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self._databases = mesh_databases.urls_of(data_dir)
        self.ledger = Ledger(data_dir)
        self._environment = {
            **os.environ, "VBMESH_LAB": "1",
            # Scripted carriers are asked nothing but what their test is about.
            "VBMESH_HEALTH_INTERVAL_S": "0",
            **mesh_databases.environment(data_dir), **environment
        }  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None
        self.ready: dict[str, Any] = {}
        self.http = httpx.AsyncClient()

    async def start(self) -> None:
        """Start it and wait until every service answers its health check."""
        ready_file = self.data_dir.parent / f"{self.data_dir.name}.ready.json"
        ready_file.unlink(missing_ok=True)
        tries = STARTS_MAX
        while not await self._came_up(ready_file):
            tries -= 1
            said = self.log.read_text()[-4000:]
            # A port that was free may be somebody's a moment later, where many tests run.
            assert tries, said
            assert "in use" in said or "taken" in said, said
        assert ready_file.stat().st_mode & 0o777 == 0o600
        fresh = json.loads(ready_file.read_text())
        for role in ("admin", "customer_admin"):
            # A password is shown once; what the first start showed stays true.
            shown = self.ready[role]["password"] if self.ready else None
            fresh[role]["password"] = fresh[role]["password"] or shown
        self.ready = fresh
        await self.http.aclose()
        self.http = httpx.AsyncClient(base_url=fresh["http"], timeout=20.0)

    async def _came_up(self, ready_file: Path) -> bool:
        """Start it once; False when it ended before it was ready."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(VBMESH), "up", "--data-dir", str(self.data_dir), "--ephemeral-ports",
                "--ready-file", str(ready_file),
                env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while not ready_file.exists():  # noqa: ASYNC240
            if self._process.returncode is not None:
                return False
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            await asyncio.sleep(0.05)
        return True

    async def stop(self) -> int:
        """End it with SIGTERM and return its exit status."""
        await self.http.aclose()
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(process.wait(), 60.0)

    def pid(self, service: str) -> int:
        """Return the process id of a service."""
        return int((self.data_dir / "run" / f"{service}.pid").read_text())

    def pids(self) -> dict[str, int]:
        """Return the process ids of the four services."""
        return {service: self.pid(service) for service in self.ready["grpc"]}

    async def kill_supervisor(self) -> None:
        """End `vbmesh up` itself with SIGKILL; the services must notice by themselves."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines that tell of an event."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        told: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [line for line in told if line["event"] == event]

    def kill(self, service: str) -> None:
        """End a service with SIGKILL; the supervisor starts it again."""
        os.kill(self.pid(service), signal.SIGKILL)

    async def restarted(self, service: str, old_pid: int, within_s: float = 30.0) -> None:
        """Wait until a killed service listens again."""

        def up() -> bool:
            run = self.data_dir / "run"
            try:
                return (run / f"{service}.json").exists() and self.pid(service) != old_pid
            except (FileNotFoundError, ValueError):
                return False

        await eventually(up, within_s=within_s)

    def headers(self, role: str = "admin") -> dict[str, str]:
        """Return the headers of a request by the super-admin (or `customer_admin`)."""
        return {"Authorization": f"Bearer {self.ready[role]['token']}"}

    async def get(self, path: str, role: str = "admin") -> httpx.Response:
        return await self.http.get(path, headers=self.headers(role))

    async def post(
        self, path: str, body: Any = None, role: str = "admin", **headers: str
    ) -> httpx.Response:
        """Post JSON; further headers are keywords (`idempotency_key="k"`)."""
        further = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, json=body, headers={**self.headers(role), **further})

    async def put(self, path: str, body: Any, role: str = "admin") -> httpx.Response:
        return await self.http.put(path, json=body, headers=self.headers(role))

    async def delete(self, path: str, role: str = "admin") -> httpx.Response:
        return await self.http.delete(path, headers=self.headers(role))

    async def a_provider(self, hostname: str, **fields: Any) -> dict[str, Any]:
        """Create a provider and return it."""
        body = {"type": "sip", "hostname": hostname, "name": "a carrier", **fields}
        made: dict[str, Any] = ok(await self.post("/v1.0/providers", body))
        return made

    async def place(self, provider_id: str, *numbers: str, **fields: Any) -> dict[str, Any]:
        """Post a provider call to the numbers and return its record."""
        body = wish(provider_id, *numbers, **fields)
        record: dict[str, Any] = ok(await self.post("/v1.0/providercalls", body))
        return record

    async def call(self, call_id: str) -> dict[str, Any]:
        """Return a call as it stands."""
        call: dict[str, Any] = ok(await self.get(f"/v1.0/calls/{call_id}"))
        return call

    async def call_in(self, call_id: str, *statuses: str, within_s: float = 20.0) -> dict[str, Any]:
        """Wait until a call has one of the statuses, and return it."""
        deadline = time.monotonic() + within_s
        while True:
            call = await self.call(call_id)
            if call["status"] in statuses:
                return call
            assert time.monotonic() < deadline, f"still {call['status']}: {call}"
            await asyncio.sleep(0.03)

    async def ended(self, call_id: str, within_s: float = 20.0) -> dict[str, Any]:
        """Wait until a call is over, and return it."""
        return await self.call_in(call_id, "hangup", within_s=within_s)

    async def newest(self) -> list[str]:
        """Return the ids of the administrator's newest record, call and flow, or `none`."""
        found = []
        for path in ("/v1.0/providercalls", "/v1.0/calls", "/v1.0/flows"):
            page = ok(await self.get(f"{path}?page_size=1"))["result"]
            found.append(page[0]["id"] if page else "none")
        return found

    def peer_token(self, peer: str) -> str:
        """Return the credential of a service, as the supervisor minted it."""
        return (self.data_dir / "credentials" / f"{peer}.token").read_text().strip()

    async def flow_owners(self, *, undone: bool = False) -> dict[str, str]:
        """Return the temporary flows there are, or were: each one's id by the record it is of.

        Nothing public names a flow that was undone, so this looks into flow_manager's database.
        """
        query = f"""SELECT owner_id, id FROM flow WHERE owner_id IS NOT NULL
            AND tm_delete IS {"NOT NULL" if undone else "NULL"}"""
        engine = create_async_engine(self._databases["flow_manager"], poolclass=NullPool)
        async with engine.connect() as connection:
            rows = (await connection.execute(text(query))).all()
        return {str(UUID(str(owner))): str(UUID(str(row))) for owner, row in rows}

    async def ladder(self, call_id: str) -> list[str]:
        """Return the methods of a call's SIP messages, in order."""
        analysis = ok(await self.get(f"/v1.0/timelines/calls/{call_id}/sip-analysis"))
        return [message["method"] for message in analysis["sip_messages"]]


def wish(provider_id: str, *numbers: str, **fields: Any) -> dict[str, Any]:
    """Return the body that asks for calls to the numbers through a provider."""
    return {
        "provider_id": provider_id,
        "source": {"type": "tel", "target": "+12025550100"},
        "destinations": [{"type": "tel", "target": number} for number in numbers],
        **fields,
    }


def ok(response: httpx.Response) -> Any:
    """Return the JSON of a response that must be 200."""
    assert response.status_code == 200, f"{response.status_code}: {response.text}"
    return response.json()


def reason(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the stable reason of a refusal."""
    return response.status_code, response.json()["error"]["reason"]


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


async def eventually(probe: Callable[[], T], *, within_s: float = 10.0, every_s: float = 0.02) -> T:
    """Return the probe's first true answer; fails when none comes in time."""
    deadline = time.monotonic() + within_s
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{probe} stayed {answer!r}"
        await asyncio.sleep(every_s)


@asynccontextmanager
async def running_mesh(
    data_dir: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[RunningMesh]:
    """Run a mesh in `data_dir` for the enclosed test; its log lies beside the directory.

    When it has ended, all money and caps must agree with their rows, whatever the test did.
    """
    mesh = RunningMesh(data_dir, environment or {})
    try:
        await mesh.start()
        yield mesh
        await mesh.stop()
        assert await mesh.ledger.mistakes() == ()
    finally:
        await mesh.ledger.close()
        await mesh.stop()
