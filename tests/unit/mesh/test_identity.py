from __future__ import annotations

import grpc
import pytest
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from mesh.clock import new_id
from mesh.errors import MeshError, PeerUnauthenticated
from mesh.identity import (
    Caller,
    TokenAuthenticator,
    acting_as,
    authorize,
    current_caller,
    current_identity,
    mint_token,
    token_digest,
    without_identity,
)
from mesh.serving import Rpc
from tests.support.node import a_super_admin, an_identity

SUPER = options_pb2.PERMISSION_PROJECT_SUPER_ADMIN
AGENT = options_pb2.PERMISSION_CUSTOMER_AGENT
ADMIN = options_pb2.PERMISSION_CUSTOMER_ADMIN


def rpc_with(**headers: str | bytes) -> Rpc:
    context: grpc.aio.ServicerContext = None  # type: ignore[assignment,type-arg]
    return Rpc("/a.B/C", None, context, None, headers, streams_response=False)


def test_permissions_are_bits_and_a_super_admin_has_all() -> None:
    both = Caller("api_gateway", an_identity(AGENT | ADMIN))
    assert both.has(AGENT)
    assert both.has(ADMIN)
    assert not both.has(SUPER)
    assert Caller("api_gateway", a_super_admin()).has(ADMIN)


def test_nobody_has_the_permission_that_is_none() -> None:
    assert not Caller("api_gateway", an_identity(ADMIN)).has(options_pb2.PERMISSION_UNSPECIFIED)


def test_no_identity_holds_no_permission() -> None:
    peer = Caller("friend")
    assert not peer.is_super_admin
    assert not peer.has(AGENT)
    assert (peer.agent_id, peer.customer_id) == (None, None)


def test_a_caller_owns_what_its_customer_owns() -> None:
    identity, stranger = an_identity(), new_id()
    caller = Caller("api_gateway", identity)
    assert caller.customer_id is not None
    assert caller.owns(caller.customer_id)
    assert not caller.owns(stranger)
    assert Caller("api_gateway", a_super_admin()).owns(stranger)
    assert Caller("friend").owns(stranger)


def test_an_identity_without_a_customer_owns_nothing() -> None:
    assert not Caller("api_gateway", Identity(permissions=ADMIN)).owns(new_id())


def test_a_token_is_known_by_its_digest_only() -> None:
    token, other = mint_token(), mint_token()
    authenticator = TokenAuthenticator({"friend": token_digest(token), "x": token_digest(other)})
    assert authenticator.authenticate(rpc_with(authorization=f"Bearer {token}")) == "friend"
    assert authenticator.authenticate(rpc_with(authorization=f"bearer {other}")) == "x"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "{digest}"]
)
def test_anything_else_is_a_stranger(header: str) -> None:
    token = mint_token()
    shown = header.format(token=token, digest=f"Bearer {token_digest(token)}")
    authenticator = TokenAuthenticator({"friend": token_digest(token)})
    assert authenticator.authenticate(rpc_with(authorization=shown)) is None
    assert authenticator.authenticate(rpc_with()) is None
    assert authenticator.authenticate(rpc_with(authorization=shown.encode())) is None


def test_minted_tokens_are_never_the_same() -> None:
    assert len({mint_token() for _ in range(100)}) == 100


def test_outside_of_an_rpc_nobody_is_asking() -> None:
    with pytest.raises(PeerUnauthenticated):
        current_caller()
    assert current_identity() is None


def test_background_work_says_for_whom_it_is_done() -> None:
    identity = an_identity()
    with acting_as(identity):
        assert current_identity() == identity
        with without_identity():
            assert current_identity() is None
        assert current_identity() == identity
    assert current_identity() is None


@pytest.mark.parametrize("exposure", [options_pb2.EXPOSURE_UNSPECIFIED, 99])
def test_an_exposure_that_is_not_stated_lets_nobody_in(exposure: int) -> None:
    policy = options_pb2.MethodPolicy(exposure=exposure, anonymous=True)  # type: ignore[arg-type]
    with pytest.raises(MeshError) as caught:
        authorize(Caller("api_gateway", a_super_admin()), policy)
    assert caught.value.reason == "PEER_NOT_ALLOWED"
