"""`voipbin.account.v1.AuthService`: convert, call, convert."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

import grpc
from typing_extensions import override
from voipbin.account.v1 import auth_service_pb2 as pb
from voipbin.account.v1.auth_service_pb2_grpc import AuthServiceServicer

from api_gateway.account.agent.service import AgentService
from api_gateway.account.convert import timestamp
from api_gateway.account.keyring import Keyring
from api_gateway.account.service import AccountService, Introduction
from api_gateway.errors import DelegateRequestInvalid
from mesh.identity import current_caller

Context = grpc.aio.ServicerContext[Any, Any]

_REASON: Final = re.compile(r"[ -~]{10,200}")


class AuthRpc(AuthServiceServicer):
    """Serves signing in, and what whoever runs the installation may ask."""

    def __init__(self, accounts: AccountService, agents: AgentService, keyring: Keyring) -> None:
        self._accounts = accounts
        self._agents = agents
        self._keyring = keyring

    @override
    async def AuthLogin(
        self, request: pb.AuthLoginRequest, context: Context
    ) -> pb.AuthLoginResponse:
        token = await self._accounts.login(request.username, request.password)
        return pb.AuthLoginResponse(username=request.username, token=token)

    @override
    async def AuthDelegate(
        self, request: pb.AuthDelegateRequest, context: Context
    ) -> pb.AuthDelegateResponse:
        customer_id = _delegated_customer(request)
        made = await self._accounts.delegate(current_caller(), customer_id, request.reason)
        return pb.AuthDelegateResponse(
            token=made.token,
            customer_id=str(made.customer_id),
            expire=timestamp(made.tm_expire),
        )

    @override
    async def BootstrapEnsure(
        self, request: pb.BootstrapEnsureRequest, context: Context
    ) -> pb.BootstrapEnsureResponse:
        admin, customer_admin = await self._accounts.ensure_first()
        return pb.BootstrapEnsureResponse(
            admin=_agent(admin), customer_admin=_agent(customer_admin)
        )

    @override
    async def PasswordReset(
        self, request: pb.PasswordResetRequest, context: Context
    ) -> pb.PasswordResetResponse:
        password = await self._agents.reset_password(request.username)
        return pb.PasswordResetResponse(password=password)

    @override
    async def SigningKeyRotate(
        self, request: pb.SigningKeyRotateRequest, context: Context
    ) -> pb.SigningKeyRotateResponse:
        made = await self._keyring.rotate(end_tokens=request.end_tokens)
        return pb.SigningKeyRotateResponse(key_id=str(made.id))


def _delegated_customer(request: pb.AuthDelegateRequest) -> UUID:
    """Return the customer to act for; raises DelegateRequestInvalid (contract section 1.3)."""
    if not _REASON.fullmatch(request.reason):
        raise DelegateRequestInvalid(
            "The reason is not 10 to 200 printable ASCII characters.", field="reason"
        )
    try:
        return UUID(request.customer_id)
    except ValueError:
        raise DelegateRequestInvalid("This is no UUID.", field="customer_id") from None


def _agent(introduction: Introduction) -> pb.BootstrapAgent:
    return pb.BootstrapAgent(
        username=introduction.account.username,
        password=introduction.password,
        token=introduction.token,
        customer_id=str(introduction.account.customer_id),
        agent_id=str(introduction.account.agent_id),
    )
