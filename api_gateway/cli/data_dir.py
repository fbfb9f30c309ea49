"""What the supervisor keeps in the data directory: its lock, the peers' credentials, addresses."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import socket
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from mesh.identity import LAB_PEER, mint_token, token_digest
from mesh.runfiles import RunFiles

SERVICES: Final = ("flow_manager", "call_manager", "route_manager", "api_gateway")
"""The services in the order they are started; they are ended in the reverse order."""

SUPERVISOR: Final = "supervisor"
"""The peer name of `vbmesh up` itself."""

# Below the range that kernels hand out to outgoing connections, and below the RTP ports.
_FREE_PORTS: Final = range(10_240, 20_000)
_PORT_TRIES_MAX: Final = 200


class DataDirRefused(Exception):
    """The data directory cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens, each `host:port`."""

    http: str
    sip: str
    public_grpc: str
    """Where the public asks over gRPC."""
    grpc: dict[str, str]
    """Where the services ask each other."""


class DataDir:
    """The data directory of one mesh; only one process may hold it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    def hold(self) -> None:
        """Create the directory (mode 0700) and lock it.

        Raises DataDirRefused when another mesh has it, or it cannot be written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.path / "lock").open("w", encoding="utf-8")
        except OSError as error:
            raise DataDirRefused(f"cannot write to {self.path} ({error.strerror})") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise DataDirRefused(f"another mesh runs on {self.path}") from error
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

    def run_files(self, service: str) -> RunFiles:
        """Return what a service says of itself while it runs."""
        return RunFiles(self.path, service)

    def kept_sip(self) -> str | None:
        """Return the SIP address of the last run: dialogs outlive a process, so it stays.

        Raises DataDirRefused when what was kept cannot be read.
        """
        file = self.path / "addresses.json"
        try:
            return str(json.loads(file.read_text("utf-8"))["sip"])
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError) as error:
            raise DataDirRefused(f"{file} is broken; delete it, and choose --sip anew") from error

    def keep(self, addresses: Addresses) -> None:
        """Write the addresses down for the next run."""
        write_private(self.path / "addresses.json", json.dumps(asdict(addresses)) + "\n")


def free_address(host: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    """Return a `host:port` that nobody listens on; raises OSError when none is found."""
    return free_addresses((host, kind))[0]


def free_addresses(*wanted: tuple[str, socket.SocketKind]) -> list[str]:
    """Return a different `host:port` for each host and kind; raises OSError when none is found.

    A host of IPv6 is in brackets. A port for datagrams is free for connections, too: SIP listens
    for both at one port (RFC 3261 section 18.1.1).
    """
    # All are held until the last one is found, so that no two are the same.
    with ExitStack() as held:
        return [_take(host, kind, held) for host, kind in wanted]


def _take(host: str, kind: socket.SocketKind, held: ExitStack) -> str:
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    kinds = {kind, socket.SOCK_STREAM}
    for port in random.sample(_FREE_PORTS, _PORT_TRIES_MAX):
        probes = [held.enter_context(socket.socket(family, each)) for each in kinds]
        try:
            for probe in probes:
                probe.bind((host.strip("[]"), port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise OSError(f"cannot listen at {host} ({error.strerror})") from error
            continue
        return f"{host}:{port}"
    raise OSError(f"no free port on {host} between {_FREE_PORTS[0]} and {_FREE_PORTS[-1]}")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (mode 0600); readers see all of it or none."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    # Only a file that we made is ours alone: the folder may be one where others write, too.
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
