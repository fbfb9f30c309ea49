from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from voipbin.flow.v1.flow_service_pb2_grpc import FlowServiceServicer

from mesh import contract
from mesh.completeness import check_complete
from mesh.contract import ContractError

FLOW = "voipbin.flow.v1"
SERVICES = list(contract.services(*contract.files(FLOW)))


async def serve(_self: object, _request: object, _context: object) -> None: ...


def written(service: ServiceDescriptor, *left_out: str) -> Any:
    """Return a servicer that writes every RPC of the service but those left out."""
    names = {rpc.name for rpc in service.methods} - set(left_out)
    bases = (FlowServiceServicer,) if service.name == "FlowService" else ()
    return type("Written", bases, dict.fromkeys(names, serve))()


def test_a_package_whose_every_rpc_is_written_is_complete() -> None:
    check_complete(FLOW, [(None, written(one), one) for one in SERVICES])


def test_an_rpc_that_only_the_generated_class_has_is_named() -> None:
    servicers = [(None, written(one, "FlowGet"), one) for one in SERVICES]
    with pytest.raises(ContractError) as caught:
        check_complete(FLOW, servicers)
    assert str(caught.value) == "nothing serves voipbin.flow.v1.FlowService.FlowGet"


def test_a_service_without_a_servicer_is_named_rpc_by_rpc() -> None:
    servicers = [(None, written(one), one) for one in SERVICES if one.name != "FlowService"]
    with pytest.raises(ContractError) as caught:
        check_complete(FLOW, servicers)
    flows = next(one for one in SERVICES if one.name == "FlowService")
    assert all(rpc.full_name in str(caught.value) for rpc in flows.methods)
