"""Which destinations may be dialled, rule by rule and in order."""

from uuid import UUID, uuid4

import pytest

from call_manager.call.domain import Address, AddressType, Anonymous
from call_manager.call.judging import CustomerFacts
from call_manager.errors import CustomerNotActive
from call_manager.outbound_config.domain import NOTHING, Permitted
from tests.unit.call_manager.call.judged import (
    ROUTE,
    SOURCE,
    Carriers,
    Owned,
    judge,
    reasons,
    sip,
    tel,
)


@pytest.mark.parametrize(
    "kind", [one for one in AddressType if one not in (AddressType.TEL, AddressType.SIP)]
)
async def test_no_other_type_is_served(kind: AddressType) -> None:
    _, first = await judge(Address(kind, "+15550100002"))
    assert first is not None
    assert (first.reason, first.metadata) == (
        "DESTINATION_TYPE_UNSUPPORTED",
        {"index": "0", "type": kind.value},
    )


@pytest.mark.parametrize(
    "target", ["bob", "@host", "bob@", "bob@host:0", "bob@host:70000", "bob@ho st"]
)
async def test_a_sip_address_that_is_none_is_refused(target: str) -> None:
    drafts, _ = await judge(sip(target), forced=(uuid4(),))
    assert reasons(drafts) == ["DESTINATION_INVALID"]


async def test_the_number_goes_on_in_its_one_form() -> None:
    drafts, first = await judge(tel("+1 555 010-0002"))
    assert first is None
    assert drafts[0].destination.target == "+15550100002"


async def test_each_different_number_is_asked_for_once() -> None:
    carriers = Carriers()
    await judge(tel("+15550100002"), tel("+1 5550100002"), tel("+15550100003"), carriers=carriers)
    assert carriers.questions == [("+15550100002", "+15550100003")]


async def test_forced_carriers_are_asked_for_once_and_taken_in_order() -> None:
    carriers, forced = Carriers(), (uuid4(), uuid4())
    drafts, first = await judge(
        tel("+15550100002"), sip("bob@office.example"), carriers=carriers, forced=forced
    )
    assert first is None
    assert carriers.questions == [forced]
    for draft in drafts:
        assert tuple(route.provider_id for route in draft.dialroutes) == forced


async def test_a_sip_address_that_is_not_forced_needs_no_carrier() -> None:
    carriers = Carriers(served={})
    drafts, first = await judge(sip("bob@office.example"), carriers=carriers)
    assert first is None
    assert drafts[0].dialroutes == ()
    assert carriers.questions == [()]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "a.LOCALHOST", "10.0.0.1:5070", "192.168.1.1", "169.254.169.254",
     "100.64.0.1", "[::1]", "[fe80::1]:5060", "[fd00::1]", "[::ffff:127.0.0.1]", "[2002:7f00:1::]"],
)  # fmt: skip
async def test_a_private_host_is_dialled_in_the_lab_only_and_never_without_a_carrier(
    host: str,
) -> None:
    address = sip(f"bob@{host}")
    drafts, _ = await judge(address)
    assert reasons(drafts) == ["DESTINATION_INVALID"]
    for kinder in (await judge(address, lab=True), await judge(address, forced=(uuid4(),))):
        assert reasons(kinder[0]) == [""]


@pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "[::]", "[ff02::1]"])
async def test_an_address_that_nobody_answers_at_is_never_dialled(host: str) -> None:
    drafts, _ = await judge(sip(f"bob@{host}"), lab=True)
    assert reasons(drafts) == ["DESTINATION_INVALID"]


async def test_a_key_for_some_carriers_calls_no_sip_address() -> None:
    drafts, first = await judge(sip("bob@office.example"), tel(US), keyed=(ROUTE.provider_id,))
    assert reasons(drafts) == ["KEY_SCOPE_EXCEEDED", ""]
    assert first is not None
    assert (first.code.name, first.metadata) == (
        "PERMISSION_DENIED", {"limit": "provider_ids", "field": "destinations[0]"},
    )  # fmt: skip


async def test_a_hidden_caller_of_a_sip_address_needs_no_number() -> None:
    source = sip("alice@office.example")
    _, first = await judge(sip("bob@office.example"), source=source, anonymous=Anonymous.YES)
    assert first is None


@pytest.mark.parametrize("status", ["", "frozen", "initial", "deleted", "Active"])
async def test_a_customer_that_is_not_known_to_be_active_calls_nobody(status: str) -> None:
    with pytest.raises(CustomerNotActive):
        await judge(sip("bob@office.example"), customer=CustomerFacts(status, "verified"))


async def test_a_customer_that_is_not_known_to_be_verified_calls_no_numbers() -> None:
    drafts, first = await judge(
        tel(US), sip("bob@office.example"), forced=(uuid4(),), customer=CustomerFacts("active")
    )
    assert reasons(drafts) == ["IDENTITY_VERIFICATION_REQUIRED", ""]
    assert first is drafts[0].refusal


async def test_a_number_without_a_route_has_no_carrier() -> None:
    carriers = Carriers(served={"+15550100002": (ROUTE,)})
    drafts, first = await judge(tel("+15550100002"), tel("+442079460018"), carriers=carriers)
    assert reasons(drafts) == ["", "NO_DIALROUTE"]
    assert first is drafts[1].refusal


async def test_nothing_is_asked_of_route_manager_when_nothing_is_left() -> None:
    carriers = Carriers()
    await judge(tel("+1"), Address(AddressType.AGENT, "x"), carriers=carriers)
    assert carriers.questions == []


async def test_the_first_rule_that_refuses_gives_the_error_whatever_the_order() -> None:
    drafts, first = await judge(tel("+1"), Address(AddressType.AGENT, "x"))
    assert reasons(drafts) == ["DESTINATION_INVALID", "DESTINATION_TYPE_UNSUPPORTED"]
    assert first is drafts[1].refusal


async def test_an_owned_source_is_shown_as_given() -> None:
    given_source = Address(AddressType.TEL, "+1 (555) 010-0001", target_name="Desk")
    drafts, _ = await judge(tel("+15550100002"), source=given_source)
    assert drafts[0].source == given_source


async def test_an_unchecked_source_is_shown_as_given() -> None:
    stranger = Address(AddressType.TEL, "+15550199999", target_name="Anyone")
    drafts, _ = await judge(tel("+15550100002"), source=stranger, skip=True, numbers=Owned())
    assert drafts[0].source == stranger


@pytest.mark.parametrize("source", [None, tel("+15550199999"), sip("a@b.example"), tel("x")])
async def test_without_an_owned_source_the_default_number_is_shown(source: Address | None) -> None:
    numbers = Owned(default_number="+15550100009")
    drafts, _ = await judge(tel("+15550100002"), source=source, numbers=numbers)
    assert drafts[0].source == Address(AddressType.TEL, "+15550100009", target_name="+15550100009")


async def test_an_unchecked_source_that_is_missing_is_the_default_number() -> None:
    numbers = Owned(default_number="+15550100009")
    drafts, _ = await judge(tel("+15550100002"), source=None, skip=True, numbers=numbers)
    assert drafts[0].source is not None
    assert drafts[0].source.target == "+15550100009"


@pytest.mark.parametrize(
    ("source", "reason"), [(None, "SOURCE_REQUIRED"), (tel("+15550199999"), "SOURCE_NOT_OWNED")]
)
async def test_without_a_default_number_it_is_refused(source: Address | None, reason: str) -> None:
    drafts, _ = await judge(tel("+15550100002"), source=source, numbers=Owned())
    assert reasons(drafts) == [reason]


async def test_a_sip_address_may_be_called_from_any_source() -> None:
    stranger = sip("alice@elsewhere.example")
    drafts, first = await judge(
        sip("bob@office.example"), source=stranger, forced=(uuid4(),), numbers=Owned()
    )
    assert first is None
    assert drafts[0].source == stranger


@pytest.mark.parametrize("target", ["15550100001", "alice@office.example", "+1555x"])
async def test_a_hidden_caller_needs_a_number_that_starts_with_plus(target: str) -> None:
    source = Address(AddressType.TEL, target)
    drafts, _ = await judge(tel("+15550100002"), source=source, skip=True, anonymous=Anonymous.YES)
    assert reasons(drafts) == ["ANONYMOUS_SOURCE_INVALID"]


@pytest.mark.parametrize("anonymous", [Anonymous.NO, Anonymous.AUTO])
async def test_a_shown_caller_needs_none(anonymous: Anonymous) -> None:
    source = Address(AddressType.TEL, "15550100001")
    _, first = await judge(tel("+15550100002"), source=source, skip=True, anonymous=anonymous)
    assert first is None


US, GB, OF_NO_COUNTRY = "+12025550123", "+442071838750", "+15550100002"


@pytest.mark.parametrize(
    ("number", "help_"),
    [(GB, "add gb to destination_whitelist"), (OF_NO_COUNTRY, "check + and the country code")],
)
async def test_a_refused_number_is_told_what_would_help(number: str, help_: str) -> None:
    _, first = await judge(tel(number), numbers=Owned((SOURCE.target,), permits=US_AND_CODECS))
    assert first is not None
    assert help_ in str(first)


@pytest.mark.parametrize(
    ("permits", "expected"),
    [
        (NOTHING, ["DESTINATION_NOT_ALLOWED"] * 3),
        (Permitted(frozenset({"us"})), ["", "DESTINATION_NOT_ALLOWED", "DESTINATION_NOT_ALLOWED"]),
        (Permitted(frozenset({"us", "gb"})), ["", "", "DESTINATION_NOT_ALLOWED"]),
        (Permitted(everywhere=True), ["", "", ""]),
    ],
)
async def test_a_number_must_be_of_a_country_that_may_be_called(
    permits: Permitted, expected: list[str]
) -> None:
    drafts, _ = await judge(
        tel(US), tel(GB), tel(OF_NO_COUNTRY), numbers=Owned((SOURCE.target,), permits=permits)
    )
    assert reasons(drafts) == expected


async def test_an_administrators_test_of_a_carrier_passes_the_whitelist_too() -> None:
    carriers = Carriers()
    drafts, first = await judge(
        tel(GB), numbers=Owned(), forced=(uuid4(),), skip=True, carriers=carriers
    )
    assert reasons(drafts) == [""]
    drafts, first = await judge(
        tel(GB),
        numbers=Owned(permits=Permitted(frozenset({"us"}))),
        forced=(uuid4(),),
        skip=True,
        carriers=carriers,
    )
    assert first is not None
    assert first.metadata == {"index": "0", "country": "gb"}
    assert "gb" in first.message
    # What may not be called is not asked a route for.
    assert len(carriers.questions) == 1


async def test_a_sip_address_needs_no_country_and_is_offered_the_configured_codecs() -> None:
    drafts, first = await judge(
        sip("bob@office.example"),
        tel(US),
        numbers=Owned((SOURCE.target,), permits=Permitted(frozenset({"us"}), codecs="PCMA,PCMU")),
        forced=(uuid4(),),
    )
    assert first is None
    assert [draft.codecs for draft in drafts] == ["PCMA,PCMU", ""]


US_AND_CODECS = Permitted(frozenset({"us"}), codecs="PCMA")


@pytest.mark.parametrize(
    "user",
    [
        "+442071838750",
        "+44-20-7183-8750",
        "%2B442071838750",
        "00442071838750",
        "011442071838750",
        "2071838750",
        "9*442071838750",
        "442071838750#",
        "+44,2071838750",
        "+44_2071838750~",
        "+44/207'183!8750",
        "+442071838750%3Bext=1",
        "+442071838750%00",
        "+442071838750%40office",
    ],
)
@pytest.mark.parametrize("forced", [(), (uuid4(),)])
async def test_a_number_that_may_not_be_called_may_not_be_written_as_an_address_either(
    user: str, forced: tuple[UUID, ...]
) -> None:
    destination = sip(f"sip:{user}@carrier.example")
    _, first = await judge(
        destination, forced=forced, numbers=Owned((SOURCE.target,), permits=US_AND_CODECS)
    )
    assert first is not None
    assert first.reason == "DESTINATION_NOT_ALLOWED"
    unverified = CustomerFacts("active", "none")
    _, first = await judge(destination, forced=forced, customer=unverified)
    assert first is not None
    assert first.reason == "IDENTITY_VERIFICATION_REQUIRED"


@pytest.mark.parametrize("user", ["+12025550123", "bob", "1001", "line-123456", "acc1234567"])
async def test_an_address_of_a_name_an_extension_or_a_number_that_may_be_called_is_admitted(
    user: str,
) -> None:
    numbers = Owned((SOURCE.target,), permits=US_AND_CODECS)
    drafts, first = await judge(sip(f"{user}@office.example"), numbers=numbers)
    assert first is None
    assert [draft.codecs for draft in drafts] == ["PCMA"]
