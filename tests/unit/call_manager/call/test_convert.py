"""Between the contract and the domain."""

from uuid import uuid4

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.timestamp_pb2 import Timestamp
from protovalidate import Validator
from voipbin.call.v1 import address_pb2
from voipbin.call.v1.call_service_pb2 import CallsCreateRequest
from voipbin.flow.v1.action_pb2 import Action
from voipbin.route.v1.provider_pb2 import Provider

from call_manager.call import asked, convert
from call_manager.call.domain import Address, AddressType, Anonymous
from call_manager.call.sip_address import SipAddress, Undialable
from call_manager.errors import AnonymousInvalid
from mesh.errors import InvalidArgument
from mesh.metadata import plain_to_value


@pytest.mark.parametrize("kind", address_pb2.AddressType.values())
def test_every_address_survives_the_way_in_and_out_and_storage(
    kind: address_pb2.AddressType.ValueType,
) -> None:
    sent = address_pb2.Address(
        type=kind,
        target="t",
        target_name="Tn",
        name="n",
        detail="d",
    )
    read = convert.address(sent)
    assert convert.address_to_proto(read) == sent
    assert Address.of_plain(read.to_plain()) == read


def test_the_contract_and_the_domain_know_the_same_address_types() -> None:
    defined = address_pb2.AddressType.DESCRIPTOR.values_by_name
    names = {name.removeprefix("ADDRESS_TYPE_") for name in defined}
    assert names == {kind.name for kind in AddressType}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (address_pb2.ANONYMOUS_UNSPECIFIED, Anonymous.AUTO),
        (address_pb2.ANONYMOUS_AUTO, Anonymous.AUTO),
        (address_pb2.ANONYMOUS_YES, Anonymous.YES),
        (address_pb2.ANONYMOUS_NO, Anonymous.NO),
    ],
)
def test_the_wish_to_hide_is_read(sent: int, read: Anonymous) -> None:
    assert convert.anonymous(sent) is read


def test_a_wish_to_hide_that_nobody_defined_is_refused() -> None:
    with pytest.raises(AnonymousInvalid) as caught:
        convert.anonymous(7)
    assert caught.value.reason == "INVALID_ANONYMOUS_VALUE"


def test_the_fingerprint_knows_every_field_but_the_time_to_dial_by() -> None:
    request = CallsCreateRequest(id=str(uuid4()), customer_id=str(uuid4()), call_ids=["a"])
    request.metadata["rtp_debug"].CopyFrom(plain_to_value(True))
    request.metadata["skip_source_validation"].CopyFrom(plain_to_value(True))
    before = asked.fingerprint(request)
    request.dial_not_after.seconds = 5
    assert asked.fingerprint(request) == before
    request.metadata["rtp_debug"].CopyFrom(plain_to_value(False))
    assert asked.fingerprint(request) != before


def test_a_carriers_configuration_is_read_in_a_stable_order() -> None:
    provider = Provider(
        id=str(uuid4()),
        hostname="sip.carrier.example:5080",
        tech_prefix="9977#",
        tech_postfix="@provider.com",
        tech_headers={"X-B": "2", "X-A": "1", "x-lower": "3"},
        codecs="PCMU, G729",
        sip_username="user",
        sip_password="s3cret",
    )
    config = convert.dial_config(provider)
    assert config.tech_headers == (("X-A", "1"), ("X-B", "2"), ("x-lower", "3"))
    assert config.codecs == ("PCMU", "G729")
    assert (config.username, config.password) == ("user", "s3cret")
    assert convert.dial_config(Provider(id=provider.id)).codecs == ()


def test_an_action_survives_storage() -> None:
    action = ParseDict(
        {"id": str(uuid4()), "type": "sleep", "option": {"duration": 1500}}, Action()
    )
    assert convert.action(convert.action_to_plain(action)) == action


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("host", True),
        ("host:1", True),
        ("192.0.2.1:5060", True),
        ("host:9999", True),
        ("host:65535", True),
        ("[2001:db8::1]", True),
        ("[2001:db8::1]:5060", True),
        ("[]", False),
        ("2001:db8::1", False),
        ("host;transport=tcp", False),
        ("host?Route=x", False),
        ("host:0", False),
        ("host:05060", False),
        ("host:65536", False),
        ("host:70000", False),
        ("host:99999", False),
        ("host:", False),
        ("host\n", False),
    ],
)
def test_the_contract_lets_no_sip_address_through_that_cannot_be_dialled(
    host: str, good: bool
) -> None:
    sent = address_pb2.Address(type=address_pb2.ADDRESS_TYPE_SIP, target=f"sip:bob@{host}")
    assert (not Validator().collect_violations(sent)) is good
    if good:
        assert SipAddress.parse(sent.target).uri == sent.target


@pytest.mark.parametrize("target", ["bob", "bob@", "@host", "bob@host:0", "bob@host:99999"])
def test_a_sip_address_that_is_none_is_not_blamed_on_the_carrier(target: str) -> None:
    with pytest.raises(Undialable, match="A SIP address is"):
        SipAddress.parse(target)


@pytest.mark.parametrize(("seconds", "nanos"), [(2**60, 0), (-(2**60), 0), (0, 2**30), (0, -1)])
def test_a_time_to_dial_by_that_is_no_time_is_refused(seconds: int, nanos: int) -> None:
    request = CallsCreateRequest(
        id=str(uuid4()),
        customer_id=str(uuid4()),
        call_ids=[str(uuid4())],
        destinations=[
            address_pb2.Address(type=address_pb2.ADDRESS_TYPE_TEL, target="+12025550100")
        ],
        dial_not_after=Timestamp(seconds=seconds, nanos=nanos),
    )
    with pytest.raises(InvalidArgument) as caught:
        asked.new_calls(request, "route_manager")
    assert [violation.field for violation in caught.value.violations] == ["dial_not_after"]
