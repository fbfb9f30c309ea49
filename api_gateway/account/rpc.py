"""Signing in, over gRPC."""

from __future__ import annotations

from typing import Any

import grpc
from typing_extensions import override
from voipbin.account.v1.auth_service_pb2 import (
    AuthLoginRequest,
    AuthLoginResponse,
    BootstrapAgent,
    BootstrapEnsureRequest,
    BootstrapEnsureResponse,
)
from voipbin.account.v1.auth_service_pb2_grpc import AuthServiceServicer

from api_gateway.account.service import AccountService, Introduction

Context = grpc.aio.ServicerContext[Any, Any]


class AuthRpc(AuthServiceServicer):
    """`voipbin.account.v1.AuthService`."""

    def __init__(self, accounts: AccountService) -> None:
        self._accounts = accounts

    @override
    async def AuthLogin(self, request: AuthLoginRequest, context: Context) -> AuthLoginResponse:
        token = await self._accounts.login(request.username, request.password)
        return AuthLoginResponse(username=request.username, token=token)

    @override
    async def BootstrapEnsure(
        self, request: BootstrapEnsureRequest, context: Context
    ) -> BootstrapEnsureResponse:
        admin, customer_admin = await self._accounts.ensure_first()
        return BootstrapEnsureResponse(admin=_agent(admin), customer_admin=_agent(customer_admin))


def _agent(introduction: Introduction) -> BootstrapAgent:
    return BootstrapAgent(
        username=introduction.account.username,
        password=introduction.password,
        token=introduction.token,
        customer_id=str(introduction.account.customer_id),
        agent_id=str(introduction.account.agent_id),
    )
