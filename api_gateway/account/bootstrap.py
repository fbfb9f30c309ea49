"""Constructs what accounts are made of; the service's own bootstrap puts it where it belongs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from voipbin.account.v1 import (
    access_key_service_pb2,
    access_key_service_pb2_grpc,
    agent_service_pb2,
    agent_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    customer_service_pb2,
    customer_service_pb2_grpc,
)

from api_gateway.account.accesskey.rpc import AccessKeyRpc
from api_gateway.account.accesskey.service import AccessKeyService
from api_gateway.account.agent.rpc import AgentRpc
from api_gateway.account.agent.service import AgentService
from api_gateway.account.authenticator import AccountAuthenticator
from api_gateway.account.customer.rpc import CustomerRpc
from api_gateway.account.customer.service import CustomerService
from api_gateway.account.keyring import Keyring
from api_gateway.account.passwords import Passwords
from api_gateway.account.rpc import AuthRpc
from api_gateway.account.service import AccountService
from mesh.clock import Clock
from mesh.database import Database
from mesh.node import Servicer


class Accounts:
    """The parts of accounts; start `keyring` after the database.

    `rpcs` are the public RPCs, as `package.Service/Rpc`: what access keys may be limited to.
    """

    def __init__(
        self, database: Database, clock: Clock, rotate_after: timedelta, rpcs: Collection[str]
    ) -> None:
        passwords = Passwords()
        self.keyring = Keyring(database, clock, rotate_after)
        service = AccountService(database, clock, self.keyring, passwords)
        access_keys = AccessKeyService(database, clock, rpcs)
        agents = AgentService(database, clock, passwords)
        self.authenticator = AccountAuthenticator(service, access_keys)
        self.servicers: list[Servicer] = [
            (
                auth_service_pb2_grpc.add_AuthServiceServicer_to_server,
                AuthRpc(service, agents, self.keyring),
                auth_service_pb2.DESCRIPTOR,
            ),
            (
                access_key_service_pb2_grpc.add_AccessKeyServiceServicer_to_server,
                AccessKeyRpc(access_keys),
                access_key_service_pb2.DESCRIPTOR,
            ),
            (
                agent_service_pb2_grpc.add_AgentServiceServicer_to_server,
                AgentRpc(agents),
                agent_service_pb2.DESCRIPTOR,
            ),
            (
                customer_service_pb2_grpc.add_CustomerServiceServicer_to_server,
                CustomerRpc(CustomerService(database, clock), clock),
                customer_service_pb2.DESCRIPTOR,
            ),
        ]
