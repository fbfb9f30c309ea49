"""Runs the echo node as a process of its own, to see it start and end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.parent import PARENT_FD
from tests.support.node import Credentials

ROOT: Final = Path(__file__).parents[2]


class EchoProcess:
    """The echo node as a process, and what it left behind."""

    def __init__(self, folder: Path, credentials: Credentials) -> None:
        self.folder = folder
        self.credentials = credentials
        self._process: subprocess.Popen[str] | None = None

    def spawn(self, *arguments: str, parts: str = "", parent: int = -1, **env: str) -> None:
        (self.folder / "parts.txt").write_text(parts, encoding="utf-8")
        settings = self.credentials.settings("call_manager")
        variables = {f"VBMESH_{name.upper()}": str(value) for name, value in settings.items()}
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        if parent >= 0:
            inherited[PARENT_FD] = str(parent)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.echo_node", *arguments],
            cwd=ROOT,
            env={**inherited, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", **variables, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[parent] if parent >= 0 else [],
        )

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    @property
    def run_file(self) -> Path:
        return self.folder / "run" / "echo.json"

    def diary(self) -> list[str]:
        return (self.folder / "diary.txt").read_text(encoding="utf-8").splitlines()

    async def address(self) -> str:
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if self.run_file.exists():
                return str(json.loads(self.run_file.read_text(encoding="utf-8"))["grpc"])
            await asyncio.sleep(0.02)
        raise AssertionError(f"the node did not start: {self.process.communicate(timeout=5)}")

    async def ended(self, seconds: float = 15) -> tuple[int, str, str]:
        out, err = await asyncio.to_thread(self.process.communicate, timeout=seconds)
        return self.process.returncode, out, err


async def health_of(address: str, service: str = "") -> int:
    """Return what a node's health check says of a service, or of the node."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return int(answer.status)
