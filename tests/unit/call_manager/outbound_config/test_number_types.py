"""Which numbers are blocked until somebody opts in: every region times every type of number."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType, shortnumberinfo

from call_manager.errors import Refusal
from call_manager.outbound_config.domain import Permitted
from call_manager.outbound_config.number_types import (
    FILE_BYTES_MAX,
    TOLL_FRAUD_FILE,
    NumberType,
    PrefixesInvalid,
    number_types,
    parse_prefixes,
    read_prefixes,
    types_at_carrier,
)
from mesh.numbers import REGIONS, e164
from tests.unit.call_manager.call.judged import Owned, judge, reasons, sip, tel

REGIONS_MIN = 240
"""So many regions have telephone numbers at least; the library of today knows 245."""

BLOCKED = {
    PhoneNumberType.PREMIUM_RATE: NumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST: NumberType.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER: NumberType.PERSONAL,
    PhoneNumberType.PAGER: NumberType.PAGER,
}
AUSTRALIAN_SATELLITE = ("+61145", "+61147")
ALL_TYPES = frozenset(kind.value for kind in NumberType)


def wire(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def is_of(number: str, country: str) -> bool:
    return phonenumbers.is_valid_number_for_region(phonenumbers.parse(number), country.upper())


def every_example() -> Iterator[tuple[str, int, str]]:
    """Yield a number of every type that a region has, with region and type."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(region, kind)
            # Short freephone numbers of some islands are no numbers that one can call from abroad.
            if example is not None and e164(wire(example)) is not None:
                yield region.lower(), kind, wire(example)


EXAMPLES = tuple(every_example())


async def admitted(permits: Permitted, numbers: list[str]) -> set[str]:
    """Return those of the numbers that a customer may call; ten at a time, as requests are."""
    allowed = set()
    owned = Owned(numbers=("+15550100001",), permits=permits)
    for at in range(0, len(numbers), 10):
        drafts, _ = await judge(*map(tel, numbers[at : at + 10]), numbers=owned)
        allowed |= {one.destination.target for one in drafts if one.refusal is None}
    return allowed


def test_the_matrix_has_every_region_and_every_blocked_type() -> None:
    assert len({region for region, _, _ in EXAMPLES}) == len(REGIONS) >= REGIONS_MIN
    assert set(BLOCKED) <= {kind for _, kind, _ in EXAMPLES}


async def test_with_a_whitelist_of_some_countries_no_number_outside_of_them_is_admitted() -> None:
    countries = {"us", "de", "kr"}
    calls = await admitted(
        Permitted(frozenset(countries), number_types=ALL_TYPES), [one for _, _, one in EXAMPLES]
    )
    assert calls
    for number in calls:
        parsed = phonenumbers.parse(number)
        # A freephone number of one country that shares +1 is one of the others, too.
        assert any(
            phonenumbers.is_valid_number_for_region(parsed, one.upper()) for one in countries
        )


async def test_blocked_types_are_refused_in_every_region_that_is_on_the_whitelist() -> None:
    everything = Permitted(frozenset(REGIONS))
    blocked = [number for _, kind, number in EXAMPLES if kind in BLOCKED]
    ordinary = [
        number
        for _, _, number in EXAMPLES
        if phonenumbers.number_type(phonenumbers.parse(number)) not in BLOCKED
        and not number.startswith(AUSTRALIAN_SATELLITE)
    ]
    assert await admitted(everything, blocked) == set()
    assert await admitted(everything, ordinary) == set(ordinary)


@pytest.mark.parametrize("everything", [Permitted(frozenset(REGIONS)), Permitted(everywhere=True)])
async def test_no_emergency_number_of_any_region_is_admitted_in_any_form(
    everything: Permitted,
) -> None:
    forms = []
    for region in phonenumbers.SUPPORTED_REGIONS:
        metadata = PhoneMetadata.short_metadata_for_region(region)
        emergency = metadata.emergency.example_number if metadata and metadata.emergency else None
        if emergency is None or not shortnumberinfo.is_emergency_number(emergency, region):
            continue
        code = phonenumbers.country_code_for_region(region)
        forms += [emergency, f"+{code}{emergency}", f"+{code}{emergency}0", f"00{code}{emergency}"]
    assert len(forms) > 4 * 230
    assert await admitted(everything, forms) == set()


@pytest.mark.parametrize(
    ("number", "types"),
    [
        ("+12025550123", ()),
        ("+33112345678", ()),  # Paris, though it begins as 112 does.
        ("+443001234567", ()),  # UAN: costs what a fixed line does.
        ("+8001234567", ("global", "unknown")),
        ("+80012345678", ("global",)),
        ("+80812345678", ("shared_cost", "global")),
        ("+979123456789", ("premium_rate", "global")),
        ("+870301234567", ("satellite",)),
        ("+881612345678", ("satellite",)),
        ("+88216312345678", ("satellite",)),
        ("+8823421234", ("global",)),
        ("+61147101234", ("satellite",)),
        ("+447012345678", ("personal",)),
        ("+19005550199", ("premium_rate",)),
        ("+449098790123", ("premium_rate",)),
        ("+19111234567", ("emergency", "unknown")),
        ("+44999123456", ("emergency", "unknown")),
        ("+3531121234567", ("emergency", "unknown")),
        ("+15550100002", ("unknown",)),
        ("+999123456789", ("unknown",)),
    ],
)
def test_a_number_is_of_every_type_that_holds(number: str, types: tuple[str, ...]) -> None:
    assert number_types(number) == types


@pytest.mark.parametrize("kind", ["satellite", "global", "premium_rate"])
async def test_all_types_of_a_number_must_be_allowed(kind: str) -> None:
    number, others = "+979123456789", {"premium_rate", "global"}
    drafts, first = await judge(
        tel(number), numbers=Owned(permits=Permitted(number_types=frozenset({kind})))
    )
    assert first is not None
    missing = "global" if kind == "premium_rate" else "premium_rate"
    assert (first.reason, first.metadata["type"]) == ("NUMBER_TYPE_NOT_ALLOWED", missing)
    assert f"add {missing} to allowed_number_types" in first.message
    owned = Owned(("+15550100001",), permits=Permitted(number_types=frozenset(others)))
    drafts, _ = await judge(tel(number), numbers=owned)
    assert reasons(drafts) == [""]


async def test_a_type_is_allowed_beside_a_country_and_never_instead_of_it() -> None:
    premium = Permitted(frozenset({"us"}), number_types=frozenset({"premium_rate"}))
    assert await admitted(premium, ["+19005550199", "+449098790123"]) == {"+19005550199"}
    unknown = Permitted(frozenset({"de"}), number_types=frozenset({"unknown"}))
    assert await admitted(unknown, ["+15550100002", "+4999999999"]) == {"+4999999999"}


async def test_a_lab_calls_fictional_numbers_and_no_others_that_are_blocked() -> None:
    lab = Permitted(everywhere=True)
    fictional = ["+15550100002", "+12025550123"]
    blocked = ["+19005550199", "+881612345678", "+80012345678", "+447012345678", "+19111234567"]
    assert await admitted(lab, fictional + blocked) == set(fictional)


async def test_a_country_that_shares_its_code_is_not_the_one_beside_it() -> None:
    others = ["+12423456789", "+18765230123", "+441481256789", "+77012345678", "+39066981234"]
    ours = ["+12015550123", "+447400123456", "+79123456789"]
    assert await admitted(Permitted(frozenset({"us", "gb", "ru"})), others + ours) == set(ours)


@pytest.mark.parametrize(
    "written",
    [
        "+1 (900) 555-0199",
        "+19005550199;isub=1",
        "+19005550199;ext=5",
        "tel:+19005550199",
        "+1900-555-0199 ext. 7",
        "\uff0b19005550199",
        "+\u0661\u0669\u0660\u0660\u0665\u0665\u0665\u0660\u0661\u0669\u0669",
    ],
)
async def test_no_way_of_writing_it_makes_a_premium_number_ordinary(written: str) -> None:
    drafts, first = await judge(tel(written), numbers=Owned(permits=Permitted(frozenset(REGIONS))))
    assert first is not None
    assert first.reason in ("NUMBER_TYPE_NOT_ALLOWED", "DESTINATION_INVALID")
    assert drafts[0].destination.target in ("+19005550199", written)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("+19005550199@office.example", "NUMBER_TYPE_NOT_ALLOWED"),
        ("%2B1900-555-0199@office.example", "NUMBER_TYPE_NOT_ALLOWED"),
        # What stands before a number is a carrier's own; without +, no country's whitelist has it.
        ("0119005550199@office.example", "DESTINATION_NOT_ALLOWED"),
        ("9+19005550199@office.example", "DESTINATION_NOT_ALLOWED"),
        ("*67+19005550199@office.example", "DESTINATION_NOT_ALLOWED"),
        ("+19005550199#1@office.example", "NUMBER_TYPE_NOT_ALLOWED"),
    ],
)
async def test_a_blocked_number_may_not_be_written_as_an_address_either(
    target: str, reason: str
) -> None:
    numbers = Owned(permits=Permitted(frozenset(REGIONS)))
    drafts, _ = await judge(sip(target), numbers=numbers)
    assert reasons(drafts) == [reason]


@pytest.mark.parametrize(
    ("user", "helps"),
    [
        ("911", True), ("112", True), ("+49112", True), ("+1911", True), ("%39%31%31", True),
        ("1-1-2", True), ("#112", True), ("1,1~2", True), ("112%3Bx", True), ("4711", False),
        ("bob", False), ("+4930", False), ("112a", False),
    ],
)  # fmt: skip
async def test_an_address_at_a_carrier_may_be_no_emergency_number(user: str, helps: bool) -> None:
    target = sip(f"{user}@carrier.example")
    drafts, first = await judge(target, forced=(uuid4(),))
    assert reasons(drafts) == (["NUMBER_TYPE_NOT_ALLOWED"] if helps else [""])
    assert not helps or (first is not None and first.metadata["type"] == "emergency")
    # At its own host it is an extension like any other.
    drafts, _ = await judge(target)
    assert reasons(drafts) == [""]


def test_a_name_is_no_emergency_number() -> None:
    assert types_at_carrier("") == types_at_carrier("\u0661\u0661\u0662") == ()


async def test_a_prefix_of_the_operators_list_is_blocked_until_it_is_allowed_by_name() -> None:
    listed = parse_prefixes(["+4420", "  +1202 # a comment", "", "# +49"])
    assert listed == {"+4420", "+1202"}
    number = tel("+442071838750")
    for allowed, expected in ((frozenset(), "toll_fraud"), (frozenset({"toll_fraud"}), None)):
        numbers = Owned(
            ("+15550100001",), permits=Permitted(frozenset({"gb"}), number_types=allowed)
        )
        _, first = await judge(number, numbers=numbers, toll_fraud=listed)
        assert (first.metadata["type"] if isinstance(first, Refusal) else None) == expected
    assert number_types("+493012345678", listed) == ()


def test_every_wrong_line_of_a_list_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "prefixes.txt"
    file.write_text("+44\n44\n+0\n+4420 +4430\n+1234567890123456\n")
    with pytest.raises(PrefixesInvalid) as caught:
        read_prefixes(file)
    for line in (2, 3, 4, 5):
        assert f"line {line} " in str(caught.value)
    assert "line 1 " not in str(caught.value)
    file.write_text("x\n" * 100)
    with pytest.raises(PrefixesInvalid, match="and 80 more"):
        read_prefixes(file)


@pytest.mark.parametrize("content", [None, b"\xff", b"#" * (FILE_BYTES_MAX + 1)])
def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "prefixes.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PrefixesInvalid, match=str(file)):
        read_prefixes(file)


def test_the_list_that_comes_with_the_platform_holds_prefixes_that_numbers_have() -> None:
    listed = read_prefixes(TOLL_FRAUD_FILE)
    assert "+53" in listed
    for prefix in listed:
        assert phonenumbers.region_codes_for_country_code(int(prefix.removeprefix("+")))
    # Nobody's everyday calls are in it.
    for country in ("us", "gb", "de", "fr", "kr", "jp", "in", "br", "ng", "za"):
        example = phonenumbers.example_number(country.upper())
        assert example is not None
        assert NumberType.TOLL_FRAUD not in number_types(wire(example), listed)
