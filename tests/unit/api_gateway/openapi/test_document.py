"""The API description says of every operation what its reader needs, and says it truly."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import orjson
import pytest
from google.protobuf.descriptor import MethodDescriptor
from openapi_spec_validator import OpenAPIV31SpecValidator
from voipbin.mesh.v1 import options_pb2
from voipbin.mesh.v1.identity_pb2 import Identity

from api_gateway.door.requests import IdentityFields, RequestValidator
from api_gateway.openapi.document import document
from api_gateway.openapi.operations import path_of
from api_gateway.transcoder.json_read import JsonReaders
from api_gateway.transcoder.request import Received, RequestReader
from api_gateway.transcoder.routes import Binding, bindings
from mesh import contract
from scripts.contracts import rpcs
from tests.unit.api_gateway.openapi.conftest import every_service
from tests.unit.api_gateway.openapi.schemas import faults, operations, resolved

PROBLEM = "application/problem+json"
JSON = "application/json"
PUBLIC: dict[str, MethodDescriptor] = {
    rpc.full_name: rpc
    for service in every_service()
    for rpc in service.methods
    if contract.policy(rpc).exposure == options_pb2.EXPOSURE_PUBLIC
}
BINDINGS = [binding for rpc in PUBLIC.values() for binding in bindings(rpc)]
IDENTITY = Identity(customer_id=str(UUID(int=7)), agent_id=str(UUID(int=8)), permissions=1)

of_each = pytest.mark.parametrize(
    "binding", BINDINGS, ids=lambda one: f"{one.method} {one.template.text}"
)


def operation_of(api: Any, binding: Binding) -> Any:
    return api["paths"][path_of(binding)][binding.method.lower()]


def test_the_description_is_valid_openapi(api: Any) -> None:
    OpenAPIV31SpecValidator(api).validate()


def test_the_description_is_the_same_each_time(api: Any) -> None:
    assert orjson.dumps(document(every_service())) == orjson.dumps(api)


def test_every_rest_route_is_described_and_nothing_else(api: Any) -> None:
    described = {f"{method.upper()} {path}" for path, method, _ in operations(api)}
    promised = {
        re.sub(r"\{([a-z_.]+)=[^}]*\}", r"{\1}", route) for rpc in rpcs() for route in rpc.routes
    }
    assert described == promised


def test_operation_ids_are_the_names_of_rpcs_each_once(api: Any) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(api)]
    assert len(ids) == len(set(ids))
    assert {one.rstrip("0123456789") for one in ids} == {rpc.name for rpc in PUBLIC.values()}


@of_each
def test_an_operation_has_words_and_asks_for_credentials_unless_it_is_anonymous(
    api: Any, binding: Binding
) -> None:
    operation = operation_of(api, binding)
    assert operation["summary"]
    assert operation["summary"] != operation["description"]
    assert bool(operation["security"]) != contract.policy(binding.rpc).anonymous
    assert ("401" in operation["responses"]) == bool(operation["security"])


@of_each
def test_every_part_of_an_operation_is_explained(api: Any, binding: Binding) -> None:
    operation = operation_of(api, binding)
    explained = [resolved(api, parameter) for parameter in operation["parameters"]]
    explained += [resolved(api, answer) for answer in operation["responses"].values()]
    body = operation.get("requestBody", {}).get("content", {})
    if JSON in body:
        explained += resolved(api, body[JSON]["schema"])["properties"].values()
    assert [one for one in explained if not one.get("description") and "$ref" not in one] == []


@of_each
def test_every_example_of_an_answer_is_one(api: Any, binding: Binding) -> None:
    for answer in operation_of(api, binding)["responses"].values():
        for media_type, content in resolved(api, answer).get("content", {}).items():
            if media_type in (JSON, PROBLEM):
                assert faults(content["example"], content["schema"], api["components"]) == []


@of_each
def test_every_example_of_a_body_is_one_and_is_taken(api: Any, binding: Binding) -> None:
    body = operation_of(api, binding).get("requestBody")
    if body is None or JSON not in body["content"]:
        return
    content = body["content"][JSON]
    assert faults(content["example"], content["schema"], api["components"]) == []
    paths = {one.field_path: str(UUID(int=9)) for one in binding.template.variables}
    reader = RequestReader(binding, JsonReaders(), IdentityFields(binding.rpc.input_type))
    given = Received(paths, "", orjson.dumps(content["example"]), "a-key", IDENTITY)
    RequestValidator().check(reader.read(given))


def test_downloads_say_what_they_are(api: Any) -> None:
    streamed = [binding for binding in BINDINGS if binding.rpc.server_streaming]
    assert streamed
    for binding in streamed:
        answer = operation_of(api, binding)["responses"]["200"]
        (media_type,) = answer["content"]
        assert media_type not in ("application/octet-stream", JSON)
        assert answer["description"] == "The file."


def test_uploads_say_what_they_are_and_how_large_they_may_be(api: Any) -> None:
    body = api["paths"]["/v1.0/audio_files"]["post"]["requestBody"]
    assert body["content"] == {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}
    assert body["required"]
    assert body["description"].endswith("At most 4194304 bytes.")


def test_signing_in_sets_a_cookie_and_fails_without_a_body(api: Any) -> None:
    operation = api["paths"]["/auth/login"]["post"]
    assert "Set-Cookie" in operation["responses"]["200"]["headers"]
    assert all("content" not in resolved(api, operation["responses"][one]) for one in ("400",))


def test_fields_that_the_door_fills_are_no_clients(api: Any) -> None:
    fields = api["components"]["schemas"]["ProviderCallCreateRequest"]["properties"]
    assert not {"customer_id", "agent_id", "idempotency_key", "metadata"} & fields.keys()


def test_a_repeatable_request_may_carry_a_key(api: Any) -> None:
    parameters = api["paths"]["/v1.0/providercalls"]["post"]["parameters"]
    assert {"$ref": "#/components/parameters/Idempotency-Key"} in parameters


def test_an_update_takes_null_for_what_stays_and_needs_nothing(api: Any) -> None:
    schema = api["components"]["schemas"]["ProviderUpdateRequest"]
    assert "required" not in schema
    assert faults({"codecs": None}, schema, api["components"]) == []
    assert faults({"id": str(UUID(int=9))}, schema, api["components"])
