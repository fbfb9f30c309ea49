import pytest

from call_manager.simulator.families import FAMILIES, Family, family_of
from call_manager.simulator.numbers import behaviour_of
from call_manager.simulator.outcomes import ANSWERS


def test_no_number_is_in_two_families() -> None:
    held = [f"{f.digit}{n:03}" for f in FAMILIES for n in range(f.first, f.last + 1)]
    assert len(held) == len(set(held))
    # The fictional numbers are those of the table of two digits.
    assert not [digits for digits in held if digits.startswith(("00", "01", "02"))]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.written))
def test_every_number_of_a_family_says_what_it_does(family: Family) -> None:
    for value in {family.first, family.last}:
        behaviour = behaviour_of(f"+1202555{family.digit}{value:03}")
        assert "NNN" not in behaviour.meaning
        assert behaviour.meaning
        assert behaviour.steps


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        ("+12025550486", "answers 486 at once"),
        ("9977#+12025550486", "answers 486 at once"),
        ("+12025550486#", "answers 486 at once"),
        ("0486", "answers 486 at once"),
        ("+12025551034", "refuses for the Q.850 cause 34"),
        ("+12025555044", "plays a tone of 440 Hz"),
        ("+12025559120", "refuses sessions shorter than 120 s with 422"),
        ("+12025550101", "is busy"),
        ("+12025550201", "is busy"),
        ("486", ANSWERS.meaning),
        ("+12025550700", ANSWERS.meaning),
    ],
)
def test_the_last_four_digits_decide_before_the_last_two(number: str, meaning: str) -> None:
    assert behaviour_of(number).meaning == meaning


@pytest.mark.parametrize("digits", ["", "1", "01", "0299", "0700", "1000", "1128", "04861", "5029"])
def test_other_digits_are_in_no_family(digits: str) -> None:
    assert family_of(digits) is None
