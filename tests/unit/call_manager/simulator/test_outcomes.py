import pytest

from call_manager.simulator.numbers import behaviour_of, number_of
from call_manager.simulator.outcomes import ANSWERS, OUTCOMES


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("sip:+12025550101@127.0.0.1:5070", "+12025550101"),
        ("sip:9977#+12025550101@carrier.example", "9977#+12025550101"),
        ("sip:%2B12025550101;phone-context=x@carrier.example;transport=udp", "+12025550101"),
        ("sip:a@b@carrier.example", "a@b"),
        ("tel:+12025550101;ext=9", "+12025550101"),
        ("sip:carrier.example", ""),
        ("", ""),
    ],
)
def test_the_dialled_number_is_the_user_part(uri: str, number: str) -> None:
    assert number_of(uri) == number


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        ("+12025550101", "is busy"),
        ("01", "is busy"),
        ("9977#+12025550101", "is busy"),
        ("+12025550101#", "is busy"),
        ("+12025550119", "rings 9 s, then answers"),
        ("+12025550120", "answers, hangs up after 0 s"),
    ],
)
def test_the_last_two_digits_decide(number: str, meaning: str) -> None:
    assert behaviour_of(number).meaning == meaning


@pytest.mark.parametrize(
    "number", ["", "1", "alice", "+12025550100", "+12025550199", "\u0660\u0661"]
)
def test_any_other_number_answers(number: str) -> None:
    assert behaviour_of(number) is ANSWERS


def test_every_outcome_ends_by_itself_or_says_nothing() -> None:
    # An answered call is the caller's to end; everything before the answer has an end of its own.
    for outcome in OUTCOMES.values():
        assert outcome.silent or any(step.refuse or step.answer for step in outcome.steps)
