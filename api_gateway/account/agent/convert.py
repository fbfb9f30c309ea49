"""Agents between protobuf and the domain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from voipbin.account.v1 import agent_pb2, agent_service_pb2

from api_gateway.account.agent.domain import AgentDraft, AgentRecord
from api_gateway.account.convert import masked, stamps

_CHANGEABLE: Final = {"name": "name", "detail": "detail"}


def draft(request: agent_service_pb2.AgentCreateRequest) -> AgentDraft:
    """Read what a creation asks for."""
    return AgentDraft(
        customer_id=UUID(request.customer_id) if request.customer_id else None,
        username=request.username,
        password=request.password,
        name=request.name,
        detail=request.detail,
        permissions=request.permission,
    )


def changes(request: agent_service_pb2.AgentUpdateRequest) -> Mapping[str, Any]:
    """Read what the update mask names; raises InvalidArgument when that cannot be changed."""
    return masked(request, request.update_mask, _CHANGEABLE)


def agent_to_proto(agent: AgentRecord) -> agent_pb2.Agent:
    """Write an agent."""
    return agent_pb2.Agent(
        id=str(agent.id),
        customer_id=str(agent.customer_id),
        username=agent.username,
        name=agent.name,
        detail=agent.detail,
        permission=agent.permissions,
        **stamps(agent),
    )
