"""What an RPC's comment says it refuses with is true, and nothing that is refused is missing.

The API description and the page of errors are made of these lists.
"""

from __future__ import annotations

import grpc
import pytest

from api_gateway.openapi.catalogue import PACKAGES, Catalogue
from api_gateway.openapi.comments import read_wording
from api_gateway.openapi.failures import Failures
from mesh.errors import MeshError
from scripts.contracts import Rpc, rpcs
from tests.architecture.test_error_reasons import import_all, subclasses

WORDING = read_wording()
FAILURES = Failures(WORDING)
CATALOGUE = Catalogue(WORDING, FAILURES)
PUBLIC = [rpc for rpc in rpcs() if rpc.routes]
# Nothing can be wrong with what they are asked, so that only the door refuses.
NEVER_REFUSING = {
    "voipbin.account.v1.CustomerService.CustomerCreate",
    "voipbin.call.v1.BillingAccountService.BillingAccountOwnGet",
    "voipbin.call.v1.CallLimitService.CallLimitOwnGet",
    "voipbin.call.v1.DialingService.DialingGet",
    "voipbin.call.v1.DialingService.DialingUpdate",
    "voipbin.call.v1.OutboundConfigService.OutboundConfigOwnGet",
}

of_each = pytest.mark.parametrize("rpc", PUBLIC, ids=lambda rpc: rpc.name)


def raised_codes() -> dict[tuple[str, str], grpc.StatusCode]:
    """Return the code that each package raises each of its reasons with."""
    for package in PACKAGES.values():
        import_all(package)
    return {
        (error.__module__.partition(".")[0], error.reason): error.code
        for error in subclasses(MeshError)
        if isinstance(error.__dict__.get("reason"), str)
    }


CODES = raised_codes()


@of_each
def test_a_public_rpc_says_what_it_refuses_with(rpc: Rpc) -> None:
    assert rpc.name in NEVER_REFUSING or FAILURES.of(rpc.name), f"{rpc.name} has no `Errors:` list"


@pytest.mark.parametrize("rpc", FAILURES.all())
def test_each_reason_of_a_list_comes_with_the_code_that_it_is_raised_with(rpc: str) -> None:
    wrong = []
    for failure in FAILURES.of(rpc):
        package, reason = CATALOGUE.find(rpc, failure.reason)
        raised = CODES.get((PACKAGES[package], reason))
        if raised is not failure.code:
            wrong.append(f"{reason}: listed as {failure.code.name}, raised as {raised}")
    assert not wrong


def test_every_reason_is_in_the_list_of_an_rpc_or_is_the_doors_own() -> None:
    assert CATALOGUE.unlisted == []


def test_the_contracts_packages_are_the_ones_with_reasons() -> None:
    named = {rpc.rsplit(".", 2)[0] for rpc in WORDING.rpcs}
    assert named <= PACKAGES.keys()
