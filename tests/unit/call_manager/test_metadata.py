"""The registry of call metadata, key by key."""

from uuid import UUID, uuid4

import pytest
from google.protobuf.struct_pb2 import Value

from call_manager.metadata import CALL_METADATA, ROUTE_PROVIDER_IDS, RTP_DEBUG
from mesh.errors import MetadataKeyNotAllowed, MetadataKeyUnknown, MetadataTypeInvalid
from mesh.metadata import plain_to_value

A, B = "a321bb86-7a44-4567-8e9e-99f4be2b6e95", "a78b0afe-17e0-40a7-afbd-39496e500521"


def raw(**values: object) -> dict[str, Value]:
    return {name: plain_to_value(value) for name, value in values.items()}


def test_a_provider_call_sets_its_three_keys() -> None:
    sent = raw(route_provider_ids=[A, B], skip_source_validation=True, rtp_debug=True)
    metadata = CALL_METADATA.parse(sent, "route_manager")
    assert metadata.get(ROUTE_PROVIDER_IDS, ()) == (UUID(A), UUID(B))
    assert metadata.get(RTP_DEBUG, False) is True


@pytest.mark.parametrize("peer", ["api_gateway", "flow_manager", "call_manager", "supervisor"])
@pytest.mark.parametrize(
    "sent", [{"route_provider_ids": [A]}, {"skip_source_validation": True}, {"rtp_debug": False}]
)
def test_no_other_peer_may_set_them(peer: str, sent: dict[str, object]) -> None:
    with pytest.raises(MetadataKeyNotAllowed) as caught:
        CALL_METADATA.parse(raw(**sent), peer)
    assert caught.value.metadata["key"] in sent


@pytest.mark.parametrize("peer", ["route_manager", "lab", "api_gateway"])
def test_nobody_may_set_codecs(peer: str) -> None:
    with pytest.raises(MetadataKeyNotAllowed):
        CALL_METADATA.parse(raw(codecs="PCMU"), peer)


@pytest.mark.parametrize(
    "value",
    [
        [],
        [A, "not-a-uuid"],
        [A, A],
        [A.upper()],
        [A, 1],
        A,
        True,
        None,
        [str(uuid4()) for _ in range(9)],
    ],
)
def test_one_bad_provider_id_spoils_the_list(value: object) -> None:
    with pytest.raises(MetadataTypeInvalid) as caught:
        CALL_METADATA.parse(raw(route_provider_ids=value), "route_manager")
    assert caught.value.metadata == {
        "key": "route_provider_ids",
        "expected": "array of 1 to 8 different UUIDs",
    }


@pytest.mark.parametrize("key", ["skip_source_validation", "rtp_debug"])
@pytest.mark.parametrize("value", [1, 0, "true", "", None, [True]])
def test_what_looks_true_is_no_boolean(key: str, value: object) -> None:
    with pytest.raises(MetadataTypeInvalid):
        CALL_METADATA.parse(raw(**{key: value}), "route_manager")


def test_an_unknown_key_is_named_before_a_wrong_type_and_a_wrong_type_before_a_wrong_peer() -> None:
    everything_wrong = raw(rtp_debgu=True, route_provider_ids="x", skip_source_validation=True)
    with pytest.raises(MetadataKeyUnknown) as unknown:
        CALL_METADATA.parse(everything_wrong, "flow_manager")
    assert unknown.value.metadata == {"key": "rtp_debgu"}
    del everything_wrong["rtp_debgu"]
    with pytest.raises(MetadataTypeInvalid) as wrong:
        CALL_METADATA.parse(everything_wrong, "flow_manager")
    assert wrong.value.metadata["key"] == "route_provider_ids"
    del everything_wrong["route_provider_ids"]
    with pytest.raises(MetadataKeyNotAllowed):
        CALL_METADATA.parse(everything_wrong, "flow_manager")


def test_every_key_says_what_it_means_and_when_it_is_set() -> None:
    for key in CALL_METADATA.keys:
        assert key.meaning.endswith("."), key.name
        assert key.when.endswith("."), key.name
