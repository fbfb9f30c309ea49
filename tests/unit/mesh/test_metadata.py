from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf import struct_pb2

from mesh.errors import MetadataKeyNotAllowed, MetadataKeyUnknown, MetadataTypeInvalid
from mesh.metadata import (
    Metadata,
    MetadataKey,
    MetadataRegistry,
    entry,
    parse_bool,
    parse_str,
    parse_uuid,
    parse_uuid_list,
    plain_to_value,
    to_plain,
)

ONE = UUID("01890000-abcd-7000-8000-000000000001")
TWO = UUID("01890000-0000-7000-8000-000000000002")

LOUD = MetadataKey("loud", parse_bool, "Speak up.", frozenset({"friend"}), "when it is noisy")
NAMES = MetadataKey("names", parse_uuid_list, "Whom to ask, in order.", frozenset({"friend"}))
LABEL = MetadataKey("label", parse_str, "A text.", frozenset({"friend", "stranger"}))
REGISTRY = MetadataRegistry(LOUD, NAMES, LABEL)


def wire(**values: Any) -> dict[str, struct_pb2.Value]:
    return {name: plain_to_value(value) for name, value in values.items()}


def test_values_come_out_typed() -> None:
    raw = wire(loud=True, names=[str(TWO), str(ONE)], label="x")
    metadata = REGISTRY.parse(raw, "friend")
    loud: bool = metadata.get(LOUD, False)
    names: tuple[UUID, ...] = metadata.get(NAMES, ())
    assert (loud, names, metadata.get(LABEL, "")) == (True, (TWO, ONE), "x")


def test_a_key_that_was_not_sent_is_its_default() -> None:
    metadata = REGISTRY.parse({}, "friend")
    assert metadata.get(NAMES, ()) == ()
    assert NAMES not in metadata
    assert LOUD in REGISTRY.parse(wire(loud=False), "friend")


def test_an_unknown_key_is_named_before_anything_else_is_looked_at() -> None:
    with pytest.raises(MetadataKeyUnknown) as caught:
        REGISTRY.parse(wire(loud="no bool", lodu=True, zzz=1), "stranger")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.metadata == {"key": "lodu"}


def test_a_wrong_type_is_named_before_who_may_set_it() -> None:
    with pytest.raises(MetadataTypeInvalid) as caught:
        REGISTRY.parse(wire(loud=1), "stranger")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.metadata == {"key": "loud", "expected": "bool"}


@pytest.mark.parametrize("peer", ["stranger", "lab", "", "Friend"])
def test_a_peer_sets_only_what_the_registry_lets_it(peer: str) -> None:
    with pytest.raises(MetadataKeyNotAllowed) as caught:
        REGISTRY.parse(wire(loud=True), peer)
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.metadata == {"key": "loud", "peer": peer}


def test_more_keys_than_any_registry_holds_are_refused() -> None:
    with pytest.raises(MetadataKeyUnknown) as caught:
        REGISTRY.parse({f"{'k' * 200}{n}": plain_to_value(n) for n in range(100)}, "friend")
    assert len(caught.value.metadata["key"]) == 64


def test_two_keys_of_one_name_are_a_defect() -> None:
    with pytest.raises(ValueError, match="share a name"):
        MetadataRegistry(LOUD, LOUD)


NO_UUIDS: list[Any] = [None, True, 1, 1.5, "", [], {}, "x", str(ONE).upper(), ONE.hex]


@pytest.mark.parametrize(
    ("parser", "refused"),
    [
        (parse_bool, [None, 0, 1, "true", "", [], {}]),
        (parse_str, [None, True, 1, [], {}]),
        (parse_uuid, NO_UUIDS),
        (parse_uuid_list, [*(v for v in NO_UUIDS if v != []), str(ONE), [1], [None], ["x"]]),
        (parse_uuid_list, [[str(ONE)] * 101]),
    ],
)
def test_a_parser_reads_nothing_that_only_looks_like_its_type(
    parser: Any, refused: list[Any]
) -> None:
    registry = MetadataRegistry(MetadataKey("key", parser, "Any.", frozenset({"friend"})))
    for value in refused:
        with pytest.raises(MetadataTypeInvalid):
            registry.parse(wire(key=value), "friend")


def test_a_value_that_holds_nothing_has_no_type() -> None:
    with pytest.raises(MetadataTypeInvalid):
        REGISTRY.parse({"loud": struct_pb2.Value()}, "friend")


def test_metadata_is_stored_as_json() -> None:
    metadata = REGISTRY.parse(wire(loud=True, names=[str(ONE)], label="ü"), "friend")
    assert to_plain(metadata) == {"loud": True, "names": [str(ONE)], "label": "ü"}


def test_a_peer_builds_the_wires_map_from_keys() -> None:
    raw = dict([entry(LOUD, True), entry(NAMES, (ONE, TWO))])
    assert REGISTRY.parse(raw, "friend") == Metadata({"loud": True, "names": (ONE, TWO)})


def test_the_registry_shows_its_keys_for_the_documents() -> None:
    assert [key.name for key in REGISTRY.keys] == ["loud", "names", "label"]
    assert REGISTRY.keys[0].when == "when it is noisy"


def test_values_of_every_json_type_reach_the_wire() -> None:
    value = plain_to_value({"a": [None, True, 1, "x", {"b": []}]})
    assert value.struct_value.fields["a"].list_value.values[4].HasField("struct_value")
    with pytest.raises(TypeError):
        plain_to_value(object())
