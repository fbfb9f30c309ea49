"""Real sipp as the carrier: one process per scenario, on loopback, with its message trace."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SCENARIOS: Final = Path(__file__).parent / "scenarios"
_LISTENERS: Final = (Path("/proc/net/udp"), Path("/proc/net/tcp"))
_ENTRY: Final = re.compile(
    r"^-{20,}[^\n]*\n(?:UDP|TCP) message (?P<way>sent|received) [^\n]*:\n\n"
    r"(?P<text>.*?)(?=^-{20,}|\Z)",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class TracedMessage:
    """One message as sipp saw it."""

    sent: bool
    """True when sipp sent it."""
    text: str

    @property
    def start(self) -> str:
        """The first line."""
        return self.text.partition("\n")[0].strip()

    @property
    def label(self) -> str:
        """The method, or the status code."""
        words = self.start.split(" ")
        return words[1] if words[0].startswith("SIP/") else words[0]

    def lines(self, name: str) -> list[str]:
        """The header lines of that exact name, case included, without the name."""
        prefix = f"{name}:"
        found = [line for line in self.text.split("\n") if line.startswith(prefix)]
        return [line.removeprefix(prefix).strip() for line in found]

    def header(self, name: str) -> str:
        """The only header of that exact name; fails when there is none or several."""
        (value,) = self.lines(name)
        return value


class Sipp:
    """`async with Sipp("answers.xml", port) as sipp: …`; a bare name is one of `scenarios/`.

    Further keywords become `[keywords]` of the scenario. The process ends after `calls` calls
    or `timeout_s`, and is killed at the end of the block.
    """

    def __init__(
        self,
        scenario: str | Path,
        port: int,
        *,
        calls: int = 1,
        timeout_s: float = 30.0,
        options: tuple[str, ...] = (),
        **keys: str,
    ) -> None:
        path = Path(scenario)
        self._scenario = path if path.is_absolute() else SCENARIOS / path
        self.port = port
        self._calls = calls
        self._timeout_s = timeout_s
        self._options = options
        self._keys = keys
        self._directory = Path()
        self._process: asyncio.subprocess.Process | None = None
        self._kept: list[TracedMessage] | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        program = shutil.which("sipp")
        if program is None:
            raise RuntimeError("sipp is missing: apt-get install sip-tester")
        self._directory = Path(tempfile.mkdtemp(prefix="sipp-"))
        keys = [word for name, value in self._keys.items() for word in ("-key", name, value)]
        self._process = await asyncio.create_subprocess_exec(
            program,
            *("-sf", str(self._scenario), "-i", "127.0.0.1", "-p", str(self.port)),
            *("-m", str(self._calls), "-mp", str(free_udp_port()), "-nostdin"),
            *("-timeout", f"{self._timeout_s:.0f}s", "-timeout_error"),
            *("-trace_msg", "-message_file", str(self._directory / "messages")),
            *("-trace_err", "-error_file", str(self._directory / "errors")),
            *self._options,
            *keys,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._directory,
        )
        await self._listening()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._kept = self.messages()
        shutil.rmtree(self._directory)

    async def exit_status(self, *, within_s: float = 40.0) -> int:
        """Wait for the scenario's end; 0 when every call went exactly as written."""
        if self._process is None:
            raise RuntimeError("sipp was not started")
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    def messages(self) -> list[TracedMessage]:
        """Every message so far, in order; each retransmission is one. Kept after the block."""
        if self._kept is not None:
            return self._kept
        path = self._directory / "messages"
        raw = path.read_bytes() if path.exists() else b""
        text = raw.decode("latin-1").replace("\r\n", "\n")
        return [TracedMessage(m["way"] == "sent", m["text"]) for m in _ENTRY.finditer(text)]

    def received(self, label: str) -> list[TracedMessage]:
        """The messages of one method or code that reached sipp."""
        return [m for m in self.messages() if not m.sent and m.label == label]

    async def until_received(self, label: str, *, times: int, within_s: float = 10.0) -> None:
        """Wait until so many messages of one method or code reached sipp."""
        async with asyncio.timeout(within_s):
            while len(self.received(label)) < times:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.05)

    def errors(self) -> str:
        """What sipp complained of."""
        path = self._directory / "errors"
        return path.read_text(errors="replace") if path.exists() else ""

    async def _listening(self) -> None:
        """Wait until the kernel knows the port; sipp itself does not say."""
        wanted = f":{self.port:04X} "
        async with asyncio.timeout(10):
            while not any(wanted in path.read_text() for path in _LISTENERS):
                if self._process is not None and self._process.returncode is not None:
                    raise RuntimeError(f"sipp ended at once: {self.errors()}")
                await asyncio.sleep(0.02)


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_udp_port() -> int:
    """A loopback port, even, free a moment ago for UDP and TCP, which SIP shares.

    It is outside the range that clients are given.
    """
    for _ in range(1000):
        # Random, since several test runs may look for ports on one machine at once.
        port = random.randrange(10_000, 20_000, 2)
        if port in _GIVEN:
            continue
        _GIVEN.add(port)
        if all(_is_free(port, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
            return port
    raise RuntimeError("no free UDP port")


_GIVEN: set[int] = set()
