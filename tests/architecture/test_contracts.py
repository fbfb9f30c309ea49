"""The contract is the gateway, so an RPC that says too little, or nonsense, fails the build."""

import subprocess
import sys
from collections import Counter

import pytest
from voipbin.mesh.v1 import options_pb2

from api_gateway.cli.data_dir import SUPERVISOR
from scripts.contracts import Rpc, route_table, rpcs
from scripts.routes import GOLDEN
from tests.architecture.code import ROOT, SERVICES

RPCS = list(rpcs())
by_name = pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.name)
# Who may be named as a caller: a service of ours, or what starts them.
PEERS = {*SERVICES, SUPERVISOR}


def test_every_service_has_rpcs() -> None:
    """The tests below would otherwise pass on an empty contract."""
    packages = {rpc.service.rpartition(".")[0] for rpc in RPCS}
    assert packages == set(SERVICES.values())


def policy_of(rpc: Rpc) -> options_pb2.MethodPolicy:
    assert rpc.policy is not None, f"{rpc.name} states no (voipbin.mesh.v1.policy)"
    return rpc.policy


@by_name
def test_an_rpc_is_either_public_or_internal(rpc: Rpc) -> None:
    assert policy_of(rpc).exposure in (
        options_pb2.EXPOSURE_PUBLIC,
        options_pb2.EXPOSURE_INTERNAL,
    )


@by_name
def test_a_public_rpc_asks_for_a_permission_or_is_anonymous_and_an_internal_one_is_neither(
    rpc: Rpc,
) -> None:
    policy = policy_of(rpc)
    public = policy.exposure == options_pb2.EXPOSURE_PUBLIC
    assert (bool(policy.permissions), policy.anonymous) in (
        [(True, False), (False, True)] if public else [(False, False)]
    )
    assert options_pb2.PERMISSION_UNSPECIFIED not in policy.permissions


@by_name
def test_an_internal_rpc_names_its_callers_and_every_caller_exists(rpc: Rpc) -> None:
    policy = policy_of(rpc)
    assert set(policy.callers) <= PEERS
    if policy.exposure == options_pb2.EXPOSURE_INTERNAL:
        assert policy.callers


@by_name
def test_public_rpcs_have_rest_routes_and_internal_ones_have_none(rpc: Rpc) -> None:
    assert bool(rpc.routes) == (policy_of(rpc).exposure == options_pb2.EXPOSURE_PUBLIC)


def test_no_rest_route_is_served_twice() -> None:
    counts = Counter(route for rpc in RPCS for route in rpc.routes)
    assert {route: count for route, count in counts.items() if count > 1} == {}


def test_the_rest_routes_are_the_ones_we_promised() -> None:
    """`buf breaking` does not see a changed path; this does."""
    assert route_table() == GOLDEN.read_text(), (
        "REST routes changed. Is it meant? Then run `.venv/bin/python -m scripts.routes --write`."
    )


def test_the_generated_code_is_what_the_contracts_say() -> None:
    # In a process of its own: options that are imported by then would be written differently.
    check = [sys.executable, "-m", "scripts.gen", "--check"]
    result = subprocess.run(
        check, cwd=ROOT, timeout=100, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
