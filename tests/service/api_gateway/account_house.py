"""The public door as it runs, with nobody behind it: accounts are all its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from voipbin.account.v1 import auth_service_pb2 as pb
from voipbin.account.v1.auth_service_pb2_grpc import AuthServiceStub

from api_gateway.account.bootstrap import Accounts
from api_gateway.bootstrap import build
from api_gateway.cli.data_dir import free_address
from api_gateway.settings import GatewaySettings
from mesh.clock import SystemClock
from mesh.database import Database
from mesh.identity import LAB_PEER
from mesh.node import Node
from tests.support.node import Credentials, running
from tests.support.running_mesh import ok

NOBODY: Final = "127.0.0.1:9"
"""Where the other services would be; nothing here asks them."""

PASSWORD: Final = "correct horse battery"

Json = dict[str, Any]


class ShiftedClock(SystemClock):
    """The machine's clock, as far ahead as a test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class AccountHouse:
    """One database and one door in front of it; tests ask over HTTP, as people do."""

    def __init__(self, folder: Path, database_url: str, **settings: Any) -> None:
        self.credentials = Credentials(folder)
        self.settings = GatewaySettings(
            **{
                **self.credentials.settings("api_gateway"),
                "grpc_listen": free_address("127.0.0.1"),
                "http_listen": free_address("127.0.0.1"),
                "public_grpc_listen": "127.0.0.1:0",
                "route_manager_address": NOBODY,
                "call_manager_address": NOBODY,
                "flow_manager_address": NOBODY,
                "database_url": database_url,
                **settings,
            }
        )
        self.clock = ShiftedClock()
        self.http = httpx.AsyncClient()
        self.node: Node | None = None
        self.admin = ""
        """A token of the first super-admin."""
        self.customer_admin = ""
        """A token of the first customer's admin."""
        self.first = pb.BootstrapEnsureResponse()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AccountHouse]:
        node = build(self.settings, self.clock)
        async with running(node):
            self.node = node
            address = self.settings.http_listen
            async with httpx.AsyncClient(base_url=f"http://{address}", timeout=20.0) as self.http:
                first = await self.auth.BootstrapEnsure(pb.BootstrapEnsureRequest())
                self.first, self.admin = first, first.admin.token
                self.customer_admin = first.customer_admin.token
                yield self

    @asynccontextmanager
    async def replica(self) -> AsyncIterator[Accounts]:
        """Run the parts of accounts a second time on the same database, as another door would."""
        database = self.database()
        accounts = Accounts(database, self.clock, timedelta(days=30), ())
        await database.start()
        try:
            await accounts.keyring.start()
            yield accounts
        finally:
            await accounts.keyring.stop()
            await database.stop()

    @property
    def auth(self) -> AuthServiceStub:
        """The internal RPCs, which the supervisor asks."""
        assert self.node is not None
        channel = self.credentials.channel(
            self.node.address, LAB_PEER, pb.DESCRIPTOR, budget_s=20.0
        )
        return AuthServiceStub(channel)

    async def ask(
        self, method: str, path: str, token: str = "", body: Any = None, key: str = ""
    ) -> httpx.Response:
        """Ask with a bearer token, an access key, or nothing."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        parameters = {"accesskey": key} if key else None
        return await self.http.request(method, path, json=body, headers=headers, params=parameters)

    def database(self) -> Database:
        """Return the door's database, opened a second time and not yet started."""
        return Database(self.settings.database_url_for("api_gateway"))

    async def login(self, username: str, password: str = PASSWORD) -> str:
        """Sign in and return the token."""
        body = {"username": username, "password": password}
        return str(ok(await self.ask("POST", "/auth/login", body=body))["token"])

    async def a_customer(self, **fields: Any) -> Json:
        """Make a customer and return it."""
        body = {"name": "Example Ltd", **fields}
        made: Json = ok(await self.ask("POST", "/v1.0/customers", self.admin, body))
        return made

    async def an_agent(self, username: str, permission: int, **fields: Any) -> Json:
        """Make an agent as the super-admin and return it."""
        body = {"username": username, "password": PASSWORD, "permission": permission, **fields}
        made: Json = ok(await self.ask("POST", "/v1.0/agents", self.admin, body))
        return made

    async def signed_in(self, username: str, permission: int, **fields: Any) -> str:
        """Make an agent and return its token."""
        await self.an_agent(username, permission, **fields)
        return await self.login(username)

    async def a_key(self, token: str = "", **fields: Any) -> Json:
        """Make an access key and return it, with its token."""
        body = {"name": "a program", "expire": 86_400, **fields}
        token = token or self.customer_admin
        made: Json = ok(await self.ask("POST", "/v1.0/accesskeys", token, body))
        return made
