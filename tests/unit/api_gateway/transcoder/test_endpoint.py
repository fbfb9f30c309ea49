"""What a contract must be for the door to serve it; found out at boot."""

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor

from api_gateway.account.admitted import Admitted
from api_gateway.door import Deadlines, ServedService
from api_gateway.door.rpcs import public_rpcs
from api_gateway.transcoder.endpoint import Endpoint
from api_gateway.transcoder.endpoint import endpoints as endpoints_of
from mesh.clients import channel
from mesh.contract import ContractError
from tests.unit.api_gateway.transcoder.door import ADMIN, CUSTOMER_ADMIN, SERVICES
from tests.unit.api_gateway.transcoder.everything import compiled

DEADLINES = Deadlines(request_s=1.0, download_s=1.0)
PUBLIC = "option (voipbin.mesh.v1.policy) = {exposure: EXPOSURE_PUBLIC anonymous: true};"
HEAD = """
syntax = "proto3";
package {package};
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/timestamp.proto";
import "voipbin/mesh/v1/options.proto";
message Thing {{ string id = 1; google.protobuf.Timestamp tm_delete = 2; }}
message Get {{ string id = 1; }}
message Got {{ Thing thing = 1; }}
message Piece {{ google.api.HttpBody body = 1; Thing thing = 2; }}
message Odd {{ {fields} }}
service One {{
  rpc Do({asked}) returns ({answered}) {{ {options} }}
  rpc ThingGet(Get) returns (Got) {{ {public} option (google.api.http) = {{get: "/t/{{id}}"}}; }}
}}
"""


def a_service(
    package: str,
    rule: str,
    *,
    fields: str = "",
    asked: str = "Odd",
    answered: str = "Got",
    policy: str = PUBLIC,
) -> ServiceDescriptor:
    """Return a service whose RPC `Do` is as told."""
    options = f"{policy} option (google.api.http) = {{{rule}}};"
    text = HEAD.format(
        package=package,
        fields=fields,
        asked=asked,
        answered=answered,
        options=options,
        public=PUBLIC,
    )
    return compiled(f"{package}.proto", text).services_by_name["One"]


async def endpoints(*services: ServiceDescriptor) -> list[Endpoint]:
    """Return the endpoints of services that nobody serves."""
    async with channel("127.0.0.1:1", token=None) as nobody:
        served = [ServedService(one, nobody) for one in services]
        return list(endpoints_of(public_rpcs(served, DEADLINES)))


def refers(rpc: str, reason: str = "THING_NOT_FOUND") -> str:
    """Return a field that refers to what the RPC returns."""
    option = f'{{get_rpc: "{rpc}" not_found_reason: "{reason}"}}'
    return f"string thing_id = 1 [(voipbin.mesh.v1.field).refers_to = {option}];"


async def test_every_public_rpc_of_the_real_contracts_is_served() -> None:
    served = {endpoint.binding.rpc.name for endpoint in await endpoints(*SERVICES)}
    assert {"ProviderCallCreate", "PcapGet", "AuthLogin", "FlowUpdate"} <= served
    assert not {"CallsCreate", "BootstrapEnsure", "ProviderDialConfigGet"} & served


async def test_a_contract_that_fits_is_served() -> None:
    service = a_service("fits", 'post: "/a" body: "*"', fields="string text = 1;")
    assert [one.binding.template.text for one in await endpoints(service)] == ["/a", "/t/{id}"]


ALL = 'post: "/a" body: "*"'


@pytest.mark.parametrize(
    ("package", "mistake", "made"),
    [
        ("body_none", "cannot fill text", {"rule": 'post: "/a" body: "text"'}),
        (
            "body_scalar",
            "no REST form",
            {"rule": 'post: "/a" body: "x"', "fields": "string x = 1;"},
        ),
        (
            "body_repeated",
            "cannot fill x",
            {"rule": 'post: "/a" body: "x"', "fields": "repeated Thing x = 1;"},
        ),
        ("variable_none", "cannot fill x", {"rule": 'get: "/a/{x}"'}),
        ("response_none", "no field x", {"rule": 'get: "/a" response_body: "x"'}),
        ("long_field", "no REST form", {"rule": ALL, "fields": "int64 x = 1;"}),
        ("asks_stream", "cannot stream", {"rule": 'post: "/a"', "asked": "stream Odd"}),
        (
            "stream_of_things",
            "streams what is no",
            {"rule": 'get: "/a" response_body: "thing"', "answered": "stream Piece"},
        ),
        ("stream_whole", "to show", {"rule": 'get: "/a"', "answered": "stream Piece"}),
        ("policy_none", "states no policy", {"rule": 'get: "/a"', "policy": ""}),
        (
            "customer_nobodys",
            "has no identity",
            {
                "rule": ALL,
                "fields": "string x = 1"
                " [(voipbin.mesh.v1.field).source = FIELD_SOURCE_CUSTOMER_ID];",
            },
        ),
        (
            "refers_nowhere",
            "not served",
            {"rule": ALL, "fields": refers("elsewhere.One/ThingGet")},
        ),
        (
            "refers_unreasoned",
            "names its reason",
            {"rule": ALL, "fields": refers("refers_unreasoned.One/ThingGet", "")},
        ),
        ("refers_idless", "takes no id", {"rule": ALL, "fields": refers("refers_idless.One/Do")}),
        (
            "refers_thingless",
            "one resource",
            {
                "rule": ALL,
                "answered": "Thing",
                "fields": "string id = 2; " + refers("refers_thingless.One/Do"),
            },
        ),
    ],
)
async def test_a_contract_that_does_not_fit_stops_the_boot(
    package: str, mistake: str, made: dict[str, str]
) -> None:
    service = a_service(package, **made)
    with pytest.raises(ContractError, match=mistake):
        await endpoints(service)


async def test_an_internal_rpc_is_not_served_even_with_a_rest_rule() -> None:
    policy = (
        'option (voipbin.mesh.v1.policy) = {exposure: EXPOSURE_INTERNAL callers: ["call_manager"]};'
    )
    service = a_service("inside", 'get: "/a"', policy=policy)
    assert [one.binding.template.text for one in await endpoints(service)] == ["/t/{id}"]


async def test_a_stream_of_http_bodies_is_a_download() -> None:
    service = a_service("pieces", 'get: "/a" response_body: "body"', answered="stream Piece")
    assert len(await endpoints(service)) == 2


async def test_a_reference_that_fits_is_checked() -> None:
    fields = refers("refers.One/ThingGet")
    made, _ = await endpoints(a_service("refers", 'post: "/a" body: "*"', fields=fields))
    (reference,) = made.rpc.references
    assert (reference.field, reference.resource) == ("thing_id", "thing")


async def test_one_of_the_permissions_is_enough_and_a_super_admin_holds_all() -> None:
    made = {one.binding.rpc.name: one for one in await endpoints(*SERVICES)}
    made["CallGet"].rpc.authorize(Admitted(CUSTOMER_ADMIN))
    made["CallGet"].rpc.authorize(Admitted(ADMIN))
    made["ProviderGet"].rpc.authorize(Admitted(ADMIN))
    with pytest.raises(Exception, match="none of the permissions") as caught:
        made["ProviderGet"].rpc.authorize(Admitted(CUSTOMER_ADMIN))
    assert getattr(caught.value, "code", None) is grpc.StatusCode.PERMISSION_DENIED
