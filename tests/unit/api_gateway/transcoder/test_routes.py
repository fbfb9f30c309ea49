"""The table of routes: which one a path means."""

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import MethodDescriptor
from voipbin.route.v1 import provider_service_pb2

from api_gateway.transcoder.errors import MethodNotAllowed, RouteNotFound
from api_gateway.transcoder.routes import SEGMENTS_MAX, RouteTable, bindings
from api_gateway.transcoder.template import parse
from mesh.contract import ContractError

ROUTES = [
    ("GET", "/v1.0/things"),
    ("POST", "/v1.0/things"),
    ("GET", "/v1.0/things/{id}"),
    ("PUT", "/v1.0/things/{name}"),
    ("GET", "/v1.0/things/mine"),
    ("POST", "/v1.0/things/{id}:cancel"),
    ("GET", "/v1.0/things/{id}/parts/{part.id}"),
    ("GET", "/v1.0/{name=shelves/*/books/*}"),
    ("GET", "/v1.0/files/{path=**}"),
    ("GET", "/v1.0/files/{path=**}:stat"),
    ("GET", "/other/v1.0"),
]


@pytest.fixture
def table() -> RouteTable[str]:
    made: RouteTable[str] = RouteTable()
    for method, path in ROUTES:
        made.add(method, parse(path), f"{method} {path}")
    return made


@pytest.mark.parametrize(
    ("method", "path", "route", "variables"),
    [
        ("GET", "/v1.0/things", "/v1.0/things", {}),
        ("GET", "/v1/things", "/v1.0/things", {}),
        ("GET", "/v1%2E0/things", "/v1.0/things", {}),
        ("GET", "/v1.0/things/7", "/v1.0/things/{id}", {"id": "7"}),
        ("PUT", "/v1.0/things/7", "/v1.0/things/{name}", {"name": "7"}),
        ("GET", "/v1.0/things/mine", "/v1.0/things/mine", {}),
        # The literal is there, but not for PUT; the variable is.
        ("PUT", "/v1.0/things/mine", "/v1.0/things/{name}", {"name": "mine"}),
        ("POST", "/v1.0/things/7:cancel", "/v1.0/things/{id}:cancel", {"id": "7"}),
        ("GET", "/v1.0/things/7:cancel", "/v1.0/things/{id}", {"id": "7:cancel"}),
        ("GET", "/v1.0/things/a:b:c", "/v1.0/things/{id}", {"id": "a:b:c"}),
        ("GET", "/v1.0/things/a%2Fb", "/v1.0/things/{id}", {"id": "a/b"}),
        (
            "GET",
            "/v1.0/things/1/parts/2",
            "/v1.0/things/{id}/parts/{part.id}",
            {"id": "1", "part.id": "2"},
        ),
        (
            "GET",
            "/v1.0/shelves/1/books/2",
            "/v1.0/{name=shelves/*/books/*}",
            {"name": "shelves/1/books/2"},
        ),
        ("GET", "/v1.0/files/a/b", "/v1.0/files/{path=**}", {"path": "a/b"}),
        ("GET", "/v1.0/files", "/v1.0/files/{path=**}", {"path": ""}),
        ("GET", "/v1.0/files/a/b:stat", "/v1.0/files/{path=**}:stat", {"path": "a/b"}),
    ],
)
def test_a_path_means_one_route(
    table: RouteTable[str], method: str, path: str, route: str, variables: dict[str, str]
) -> None:
    found = table.find(method, path)
    assert (found.route, found.variables) == (f"{method} {route}", variables)
    assert found.template.text == route


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "v1.0/things", "/v1.0", "/v1.0/things/", "/v1.0//things", "/v1.0/thing",
        "/v1.0/things/%FF", "/v1.0/things/%zz", "/v1.0/things/\xff", "/v1.0/things%2Fmine",
        "/v1.0/shelves/1/books", "/other/v1", "/V1.0/things", "/v1.0/../v1.0/things",
        "/v1.0/files" + "/a" * SEGMENTS_MAX,
    ],
)  # fmt: skip
def test_a_path_that_means_none_is_not_found(table: RouteTable[str], path: str) -> None:
    with pytest.raises(RouteNotFound):
        table.find("GET", path)


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1.0/things", "GET, HEAD, OPTIONS, POST"),
        ("/v1.0/things/7", "GET, HEAD, OPTIONS, PUT"),
        ("/v1.0/things/7:cancel", "GET, HEAD, OPTIONS, POST, PUT"),
    ],
)
def test_another_method_learns_which_ones_are_served(
    table: RouteTable[str], path: str, allow: str
) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        table.find("DELETE", path)
    assert caught.value.metadata == {"allow": allow}
    assert table.allow(path) == allow


@pytest.mark.parametrize(
    "path",
    ["/v1.0/things/{id}", "/v1.0/things/{other}", "/v1.0/things/*", "/v1/things", "/v1.0/files/**"],
)
def test_the_same_place_cannot_be_served_twice(table: RouteTable[str], path: str) -> None:
    with pytest.raises(ContractError, match="is also served"):
        table.add("GET", parse(path), "again")


def an_rpc(rule: str) -> MethodDescriptor:
    """Return an RPC whose http rule is the text-format `rule`."""
    file = descriptor_pb2.FileDescriptorProto(name="one.proto", package="one", syntax="proto3")
    file.message_type.add(name="Empty")
    method = file.service.add(name="One").method.add(
        name="Do", input_type=".one.Empty", output_type=".one.Empty"
    )
    text_format.Parse(rule, method.options.Extensions[annotations_pb2.http])
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found: MethodDescriptor = pool.FindMethodByName("one.One.Do")
    return found


def test_an_rpc_has_its_main_binding_first() -> None:
    rpc = provider_service_pb2.DESCRIPTOR.services_by_name["ProviderService"].methods_by_name
    (binding,) = bindings(rpc["ProviderUpdate"])
    assert (binding.method, binding.body, binding.response_body) == ("PUT", "*", "provider")
    assert binding.template.text == "/v1.0/providers/{id}"
    assert list(bindings(rpc["ProviderDialConfigGet"])) == []


def test_additional_bindings_stand_for_themselves() -> None:
    main, more = bindings(
        an_rpc('post: "/a" body: "*" response_body: "x" additional_bindings { get: "/b" }')
    )
    assert (main.method, main.template.text, main.body, main.response_body) == (
        "POST",
        "/a",
        "*",
        "x",
    )
    assert (more.method, more.template.text, more.body, more.response_body) == ("GET", "/b", "", "")


@pytest.mark.parametrize(
    "rule",
    [
        "body: '*'",
        'custom { kind: "LINK" path: "/a" }',
        'get: "a"',
        'get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }',
    ],
)
def test_a_binding_that_cannot_be_served_stops_the_boot(rule: str) -> None:
    with pytest.raises(ContractError):
        list(bindings(an_rpc(rule)))
