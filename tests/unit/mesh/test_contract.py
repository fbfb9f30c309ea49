from __future__ import annotations

import pytest
from grpc_health.v1 import health_pb2
from voipbin.account.v1 import error_reason_pb2 as account_reasons
from voipbin.mesh.v1 import error_reason_pb2, identity_pb2, options_pb2
from voipbin.route.v1 import provider_service_pb2

from mesh import contract, errors
from mesh.contract import ContractError
from tests.support.echo import FILE, SERVICE

PUBLIC, INTERNAL = options_pb2.EXPOSURE_PUBLIC, options_pb2.EXPOSURE_INTERNAL
ADMIN = options_pb2.PERMISSION_CUSTOMER_ADMIN


def test_the_policy_of_an_rpc_is_read_from_its_descriptor() -> None:
    whisper = contract.policy(SERVICE.methods_by_name["Whisper"])
    assert whisper.exposure == INTERNAL
    assert list(whisper.callers) == ["friend"]


def test_services_and_rpcs_are_listed_in_order() -> None:
    assert [service.name for service in contract.services(FILE)] == ["EchoService"]
    assert [method.name for method in contract.methods(FILE)][:2] == ["Say", "Greet"]
    assert contract.rpc_path(SERVICE.methods[0]) == "/voipbin.test.v1.EchoService/Say"


@pytest.mark.parametrize(
    ("policy", "mistake"),
    [
        (options_pb2.MethodPolicy(), "exposure"),
        (options_pb2.MethodPolicy(exposure=PUBLIC), "neither anonymous"),
        (
            options_pb2.MethodPolicy(exposure=PUBLIC, anonymous=True, permissions=[ADMIN]),
            "asks for permissions",
        ),
        (options_pb2.MethodPolicy(exposure=INTERNAL), "names no callers"),
        (
            options_pb2.MethodPolicy(exposure=INTERNAL, callers=["a"], permissions=[ADMIN]),
            "asks for permissions",
        ),
        (
            options_pb2.MethodPolicy(exposure=INTERNAL, callers=["a"], anonymous=True),
            "is anonymous",
        ),
        (options_pb2.MethodPolicy(exposure=PUBLIC, anonymous=True), None),
        (options_pb2.MethodPolicy(exposure=PUBLIC, permissions=[ADMIN], callers=["a"]), None),
        (options_pb2.MethodPolicy(exposure=INTERNAL, callers=["a"]), None),
    ],
)
def test_a_policy_that_contradicts_itself_is_a_mistake(
    policy: options_pb2.MethodPolicy, mistake: str | None
) -> None:
    found = contract.policy_mistake(policy)
    if mistake is None:
        assert found == ""
    else:
        assert mistake in found


def test_an_rpc_without_a_policy_stops_the_start() -> None:
    check = health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name["Check"]
    with pytest.raises(ContractError, match="states no policy"):
        contract.policy(check)


def test_the_http_rule_of_a_public_rpc_is_read() -> None:
    service = provider_service_pb2.DESCRIPTOR.services_by_name["ProviderService"]
    rule = contract.http_rule(service.methods_by_name["ProviderGet"])
    assert rule is not None
    assert rule.get == "/v1.0/providers/{id}"
    assert contract.http_rule(SERVICE.methods_by_name["Say"]) is None


def test_fields_and_messages_without_options_have_the_defaults() -> None:
    field = identity_pb2.Identity.DESCRIPTOR.fields_by_name["agent_id"]
    assert contract.field_policy(field) == options_pb2.FieldPolicy()
    assert contract.message_json(identity_pb2.Identity.DESCRIPTOR) == options_pb2.MessageJson()


def test_reasons_are_named_without_their_prefix() -> None:
    (enum,) = contract.reason_enums(error_reason_pb2.DESCRIPTOR)
    found = contract.reasons(enum)
    assert "INVALID_ARGUMENT" in found
    assert "UNSPECIFIED" not in found
    assert contract.reason_policy(found["INVALID_ARGUMENT"]).fix


def test_every_reason_of_the_mesh_has_an_error_and_the_other_way_round() -> None:
    (enum,) = contract.reason_enums(error_reason_pb2.DESCRIPTOR)
    raised = {
        kind.reason
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.MeshError)
        and kind is not errors.MeshError
    }
    assert raised == set(contract.reasons(enum))


def test_every_reason_says_what_to_do() -> None:
    for file in (error_reason_pb2.DESCRIPTOR, account_reasons.DESCRIPTOR):
        for enum in contract.reason_enums(file):
            for name, value in contract.reasons(enum).items():
                assert contract.reason_policy(value).fix.endswith("."), name


def test_the_files_of_a_package_are_found() -> None:
    found = {
        service.full_name for service in contract.services(*contract.files("voipbin.route.v1"))
    }
    assert "voipbin.route.v1.ProviderService" in found


def test_a_package_that_nobody_generated_is_refused() -> None:
    with pytest.raises(ContractError, match=r"voipbin\.nothing\.v1"):
        contract.files("voipbin.nothing.v1")
