"""Runs a real node inside a test: real sockets, real credentials, any peer to ask as."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from mesh.clients import MeshChannel, channel
from mesh.clock import new_id
from mesh.identity import mint_token, token_digest
from mesh.node import Node
from tests.support import schemas

PEERS = ("api_gateway", "route_manager", "call_manager", "flow_manager", "friend", "lab")


class Credentials:
    """Peer credentials minted for one test, as the supervisor mints them."""

    def __init__(self, folder: Path) -> None:
        self.tokens = {peer: mint_token() for peer in PEERS}
        self._folder = folder
        self._peers_file = folder / "peers.json"
        digests = {peer: token_digest(token) for peer, token in self.tokens.items()}
        self._peers_file.write_text(json.dumps(digests), encoding="utf-8")

    def settings(self, peer: str) -> dict[str, Any]:
        """Return the arguments of a settings class for the node called `peer`, in lab mode."""
        token_file = self._folder / f"{peer}.token"
        token_file.write_text(self.tokens[peer] + "\n", encoding="utf-8")
        schemas.put(peer, self._folder / f"{peer}.db")
        return {
            "data_dir": self._folder,
            "peers_file": self._peers_file,
            "peer_token_file": token_file,
            "lab": True,
            "drain_delay_s": 0.0,
            "drain_grace_s": 2.0,
            "stop_grace_s": 10.0,
        }

    def channel(
        self, address: str, peer: str, *files: FileDescriptor, budget_s: float = 5.0
    ) -> MeshChannel:
        """Open a channel that asks as `peer`."""
        return channel(address, *files, token=self.tokens[peer], budget_s=budget_s)


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    """Start a node in this process; `node.address` is where it listens. Stop it at the end."""
    try:
        await node.start()
        yield node
    finally:
        await node.stop()


def an_identity(permissions: int = options_pb2.PERMISSION_CUSTOMER_ADMIN) -> Identity:
    """Return the identity of some agent of some customer."""
    return Identity(
        agent_id=str(new_id()),
        customer_id=str(new_id()),
        permissions=permissions,
        customer_status="active",
        identity_verification="verified",
    )


def a_super_admin() -> Identity:
    """Return the identity of a platform administrator."""
    return an_identity(options_pb2.PERMISSION_PROJECT_SUPER_ADMIN)
