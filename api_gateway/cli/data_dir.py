"""What the supervisor keeps in the data directory: its lock, the peers' credentials, addresses."""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from mesh.identity import LAB_PEER, mint_token, token_digest

SERVICES: Final = ("flow_manager", "call_manager", "route_manager", "api_gateway")
"""The services in the order they are started; they are ended in the reverse order."""

SUPERVISOR: Final = "supervisor"
"""The peer name of `vbmesh up` itself."""

# Below the range that kernels hand out to outgoing connections, and below the RTP ports.
_FREE_PORTS: Final = range(10_240, 20_000)
_PORT_TRIES_MAX: Final = 200


class DataDirBusy(Exception):
    """Another `vbmesh up` runs on this data directory."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens, each `host:port`."""

    http: str
    sip: str
    grpc: dict[str, str]


class DataDir:
    """The data directory of one mesh; only one process may hold it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    def hold(self) -> None:
        """Create the directory (mode 0700) and lock it; raises DataDirBusy when it is taken."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.path / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise DataDirBusy(f"another mesh runs on {self.path}") from error
        self._lock = lock

    def release(self) -> None:
        """Let others hold the directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def mint_credentials(self, *, lab: bool) -> None:
        """Make sure that every peer has a token, and write down their digests for all to check.

        The lab peer, who may ask everything, is known in lab mode only.
        """
        folder = self.path / "credentials"
        folder.mkdir(mode=0o700, exist_ok=True)
        peers = (*SERVICES, SUPERVISOR, *((LAB_PEER,) if lab else ()))
        for peer in peers:
            if not self.token_file(peer).exists():
                write_private(self.token_file(peer), mint_token() + "\n")
        digests = {peer: token_digest(self.token(peer)) for peer in peers}
        write_private(self.peers_file, json.dumps(digests, sort_keys=True) + "\n")

    @property
    def peers_file(self) -> Path:
        """Return the file with every peer's digest."""
        return self.path / "credentials" / "peers.json"

    def token_file(self, peer: str) -> Path:
        """Return the file with a peer's token."""
        return self.path / "credentials" / f"{peer}.token"

    def token(self, peer: str) -> str:
        """Return a peer's token."""
        return self.token_file(peer).read_text(encoding="utf-8").strip()

    def kept_sip(self) -> str | None:
        """Return the SIP address of the last run: dialogs outlive a process, so it stays."""
        return str(self._kept()["sip"]) if self._kept() else None

    def keep(self, addresses: Addresses) -> None:
        """Write the addresses down for the next run."""
        write_private(self.path / "addresses.json", json.dumps(asdict(addresses)) + "\n")

    def _kept(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads((self.path / "addresses.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return kept


def free_address(host: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    """Return a `host:port` that nobody listens on; raises OSError when none is found."""
    for port in random.sample(_FREE_PORTS, _PORT_TRIES_MAX):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return f"{host}:{port}"
    raise OSError(f"no free port on {host} between {_FREE_PORTS[0]} and {_FREE_PORTS[-1]}")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (mode 0600); readers see all of it or none."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
