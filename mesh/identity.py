"""Who is asking: the peer by its own credential, and the caller it asks for.

The public door turns a person's or program's credential into an `Identity` and passes it in a
header; the header counts only beside a peer's credential. No identity never means
administrator.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from google.protobuf.message import DecodeError
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from mesh import contract
from mesh.errors import (
    IdentityRequired,
    InvalidArgument,
    PeerNotAllowed,
    PeerUnauthenticated,
    PermissionDenied,
)
from mesh.serving import Rpc

PUBLIC_DOOR: Final = "api_gateway"
"""The one peer that serves the public; the only place where its name is written."""

LAB_PEER: Final = "lab"
"""The peer that may ask every RPC; its credential is minted in lab mode only."""

PEER_HEADER: Final = "authorization"
"""Carries the peer's own credential: `Bearer <token>`."""

IDENTITY_HEADER: Final = "vbmesh-identity-bin"
"""Carries the caller: a serialized `voipbin.mesh.v1.Identity`."""

_OPEN_SERVICES: Final = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The peer that asks, and the identity it asks for (None: for itself)."""

    peer: str
    identity: Identity | None = None

    @property
    def agent_id(self) -> UUID | None:
        """Return the acting agent's id, or None when there is none."""
        return _uuid(self.identity.agent_id) if self.identity is not None else None

    @property
    def customer_id(self) -> UUID | None:
        """Return the acting customer's id, or None when there is none."""
        return _uuid(self.identity.customer_id) if self.identity is not None else None

    @property
    def is_super_admin(self) -> bool:
        """Tell whether the identity is a platform administrator's; without one: False."""
        return self._holds(options_pb2.PERMISSION_PROJECT_SUPER_ADMIN)

    def has(self, permission: options_pb2.Permission.ValueType) -> bool:
        """Tell whether the identity holds the permission; a super-admin holds every one.

        A peer that asks for itself holds none: what it may ask is in the contract's `callers`.
        """
        return self.is_super_admin or self._holds(permission)

    def owns(self, customer_id: UUID) -> bool:
        """Tell whether the caller may see what this customer owns.

        A super-admin may, and so may a peer that asks for itself.
        """
        return self.identity is None or self.is_super_admin or self.customer_id == customer_id

    def _holds(self, permission: options_pb2.Permission.ValueType) -> bool:
        if self.identity is None or permission == options_pb2.PERMISSION_UNSPECIFIED:
            return False
        return self.identity.permissions & permission == permission


def _uuid(text: str) -> UUID | None:
    return UUID(text) if text else None


_caller: ContextVar[Caller | None] = ContextVar("vbmesh_caller", default=None)


def current_caller() -> Caller:
    """Return who asked the RPC being served.

    Raises PeerUnauthenticated outside of an RPC: work without a caller must say whose it is.
    """
    caller = _caller.get()
    if caller is None:
        raise PeerUnauthenticated("Nobody is asking: this is not inside an RPC.")
    return caller


def current_identity() -> Identity | None:
    """Return the identity that outgoing RPCs pass along, or None."""
    caller = _caller.get()
    return caller.identity if caller is not None else None


@contextmanager
def acting_as(identity: Identity, *, peer: str = "") -> Iterator[None]:
    """Pass `identity` along with the RPCs of the enclosed work, whoever asked for it."""
    token = _caller.set(Caller(peer, identity))
    try:
        yield
    finally:
        _caller.reset(token)


@contextmanager
def without_identity() -> Iterator[None]:
    """Pass no identity along with the RPCs of the enclosed work: the service asks for itself."""
    token = _caller.set(None)
    try:
        yield
    finally:
        _caller.reset(token)


class PeerAuthenticator(Protocol):
    """Finds out which peer is asking; tokens today, certificates where they are configured."""

    def authenticate(self, rpc: Rpc) -> str | None:
        """Return the peer's name, or None when it cannot be told."""
        ...


def mint_token() -> str:
    """Mint a peer credential of 256 random bits."""
    return "vbp_" + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """Return what is stored of a peer's token: its SHA-256 in lower-case hexadecimal.

    A plain digest is enough, for a token has 256 random bits and cannot be guessed.
    """
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


class TokenAuthenticator:
    """Knows peers by the digest of the token each sends as `authorization: Bearer`."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = {peer: digest.lower().encode("ascii") for peer, digest in digests.items()}

    def authenticate(self, rpc: Rpc) -> str | None:
        """Return the peer's name; every digest is compared, each in constant time."""
        header = rpc.headers.get(PEER_HEADER, "")
        scheme, _, token = header.partition(" ") if isinstance(header, str) else ("", "", "")
        if scheme.lower() != "bearer" or not token:
            return None
        shown = token_digest(token.strip()).encode("ascii")
        found = None
        for peer, digest in self._digests.items():
            if hmac.compare_digest(shown, digest):
                found = peer
        return found


class IdentityConcern:
    """Enforces each RPC's MethodPolicy and publishes the caller to the handler."""

    def __init__(self, authenticator: PeerAuthenticator, *, lab: bool = False) -> None:
        self._authenticator = authenticator
        self._lab = lab

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Run the RPC as its caller.

        Raises PeerUnauthenticated, PeerNotAllowed, IdentityRequired or PermissionDenied.
        """
        if rpc.method is not None:
            caller = Caller(self._peer(rpc), _identity(rpc))
            authorize(caller, contract.policy(rpc.method), lab=self._lab)
            _caller.set(caller)
        elif not rpc.path.startswith(_OPEN_SERVICES):
            raise PeerNotAllowed(f"{rpc.name} has no policy here.")
        yield

    def _peer(self, rpc: Rpc) -> str:
        peer = self._authenticator.authenticate(rpc)
        if peer is None:
            raise PeerUnauthenticated("The peer showed no credential that is known here.")
        return peer


def authorize(caller: Caller, policy: options_pb2.MethodPolicy, *, lab: bool = False) -> None:
    """Raise unless the policy lets the caller ask.

    The public door needs an identity with one of the permissions, unless the RPC is anonymous
    or lists the door among its callers; a listed peer asks with or without an identity.
    """
    if caller.peer in policy.callers or (lab and caller.peer == LAB_PEER):
        return
    if policy.exposure != options_pb2.EXPOSURE_PUBLIC or caller.peer != PUBLIC_DOOR:
        raise PeerNotAllowed(f"{caller.peer} may not ask this.", peer=caller.peer)
    if policy.anonymous:
        return
    if caller.identity is None:
        raise IdentityRequired("Authentication is required.")
    if not any(caller.has(permission) for permission in policy.permissions):
        raise PermissionDenied("The caller holds none of the permissions needed here.")


def _identity(rpc: Rpc) -> Identity | None:
    value = rpc.headers.get(IDENTITY_HEADER)
    if value is None:
        return None
    try:
        identity = Identity.FromString(value if isinstance(value, bytes) else value.encode())
        for text in (identity.agent_id, identity.customer_id):
            _uuid(text)
    except (DecodeError, ValueError) as error:
        raise InvalidArgument(f"The header {IDENTITY_HEADER} cannot be read.") from error
    return identity
