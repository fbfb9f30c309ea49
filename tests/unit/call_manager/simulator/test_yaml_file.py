"""A script is taken as a whole or refused as a whole, every mistake with its line and field."""

from pathlib import Path

import pytest

from call_manager.simulator.script import Script
from call_manager.simulator.yaml_file import FILE_MAX, ScriptMistake, load

WHOLE = """\
seed: 7
options:
  - {code: 200, times: 2}
  - silent: yes
carriers:
  first:
    listen: 127.0.0.1:5071
    rules:
      - name: broken at first
        match: {prefix: "+1202", suffix: 0101, caller: "+1*", address: 127.0.0.0/8}
        times: 2
        steps:
          - wait: 0.5
          - refuse: {code: 503, reason: Gone Fishing, headers: {Retry-After: "30"}, q850: 34}
rules:
  - steps:
      - provisional: 183
      - answer: {codec: PCMA, repeats: 1, changed: yes}
      - digits: 0123
      - reinvite: sendonly
      - hang_up: 16
  - silent: true
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "carriers.yaml"
    path.write_text(text)
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(ScriptMistake) as caught:
        load(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


@pytest.fixture
def whole(tmp_path: Path) -> Script:
    return load(write(tmp_path, WHOLE))


def test_a_script_is_read_as_it_is_written(whole: Script) -> None:
    first = whole.of("first")
    assert (first.listen, first.seed, [rule.name for rule in first.rules]) == (
        "127.0.0.1:5071", 7, ["broken at first", "", ""],
    )  # fmt: skip
    wait, refuse = first.rules[0].steps
    assert wait.wait == 0.5
    assert refuse.refuse is not None
    assert (refuse.refuse.code, refuse.refuse.headers) == (503, {"Retry-After": "30"})


def test_numbers_keep_their_zeroes(whole: Script) -> None:
    assert whole.of("first").rules[0].match.suffix == "0101"
    digits = whole.rules[0].steps[2].digits
    assert digits is not None
    assert digits.digits == "0123"


def test_one_value_stands_for_a_part_s_chief_field(whole: Script) -> None:
    provisional, answer, _, reinvite, hang_up = whole.rules[0].steps
    assert provisional.provisional is not None
    assert provisional.provisional.code == 183
    assert answer.answer is not None
    assert answer.answer.changed is True
    assert reinvite.reinvite is not None
    assert reinvite.reinvite.direction == "sendonly"
    assert hang_up.hang_up is not None
    assert hang_up.hang_up.q850 == 16


def test_another_carrier_has_the_common_rules(whole: Script) -> None:
    assert whole.of("second").rules == whole.rules
    assert [phase.silent for phase in whole.of("second").options] == [False, True]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("rules:\n  - steps:\n      - wait: soon\n", "3: rules[0].steps[0].wait: "),
        ("rules:\n  - steps:\n      - refuse: 200\n", "3: rules[0].steps[0].refuse.code: "),
        ("rules:\n  - steps: []\n", "2: rules[0]: a rule has steps, or is silent"),
        ("rules:\n  - silent: yes\n    mach: {}\n", "3: rules[0].mach: "),
        (
            "rules:\n  - steps:\n      - {wait: 1, refuse: 486}\n",
            "3: rules[0].steps[0]: a step is ",
        ),
        ("rules:\n  - steps:\n      - hang_up:\n", "2: rules[0]: step 1: no hang_up before the an"),
        ("rules:\n  - steps: [refuse: 486, wait: 1]\n", "2: rules[0]: step 2 comes after the call"),
        ("rules:\n  - steps: [refuse: {code: 486, headers: {Via: x}}]\n", "2: rules[0].steps[0]."),
        ('rules:\n  - steps: [refuse: {code: 486, headers: {A: "b\\r\\nC: d"}}]\n', "2: rules[0]."),
        ("rules:\n  - silent: yes\n    silent: no\n", "3: silent: stands here twice."),
        ("rules: 3\n", "1: rules: "),
        ("carriers:\n  A!:\n    listen: 127.0.0.1:1\n", "2: carriers.A!.[key]: "),
        ("carriers:\n  a:\n    listen: carrier.example:5060\n", "3: carriers.a.listen: carrier.ex"),
        ("rules: [\n", "2: "),
        ("rules:\n  - match: {address: 300.1.1.1}\n    silent: yes\n", "2: rules[0].match.address"),
        ("", " empty."),
        ("? [a]\n: b\n", "1: a key is a word."),
    ],
)
def test_a_mistake_names_line_and_field(tmp_path: Path, text: str, mistake: str) -> None:
    (only,) = mistakes(tmp_path, text)
    assert only.startswith(mistake), only


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    text = "rules:\n  - steps: [wait: x]\n  - steps: [wait: -1]\n"
    assert [line.partition(":")[0] for line in mistakes(tmp_path, text)] == ["2", "3"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n"
            for n in range(8)
        ),
        "a: &a [*a]\n",
        "[" * 500,
        "[" * 5000,
        "a: " + "{a: " * 100 + "b" + "}" * 100,
        "x" * (FILE_MAX + 1),
        "a: \x00",
    ],
    ids=["aliases", "itself", "open", "deep", "nested", "long", "nul"],
)
def test_a_script_that_would_never_end_is_refused(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "carriers.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ScriptMistake, match="UTF-8"):
        load(path)
