"""What docs/simulator.md says of numbers, scripts and options is what the code does."""

import re
from pathlib import Path

import pytest

from call_manager.simulator.behaviour import Behaviour, Step
from call_manager.simulator.families import FAMILIES
from call_manager.simulator.outcomes import ANSWERS, OUTCOMES
from call_manager.simulator.script import Match, Rule
from call_manager.simulator.yaml_file import load

DOCS = Path(__file__).parents[4] / "docs"
DOCUMENT = (DOCS / "simulator.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\d\d)` \| (.*?) \|$", re.MULTILINE)
FAMILY = re.compile(r"^\| `(\d{4}(?:-\d{4})?)` \| (.*?) \|$", re.MULTILINE)
SCRIPT = re.compile(r"^(?:```yaml|cat > drill.yaml <<'END')\n(.*?)^(?:```|END)$", re.M | re.S)


def test_the_table_of_numbers_is_the_code_s() -> None:
    documented = dict(ROW.findall(DOCUMENT))
    meant = {"00": ANSWERS.meaning}
    meant |= {digits: outcome.meaning for digits, outcome in OUTCOMES.items()}
    assert documented == meant


def test_the_tables_of_four_digits_are_the_code_s() -> None:
    assert FAMILY.findall(DOCUMENT) == [(family.written, family.meaning) for family in FAMILIES]


@pytest.mark.parametrize("page", ["simulator.md", "failover_drill.md"])
def test_every_documented_script_can_be_used(page: str, tmp_path: Path) -> None:
    scripts = SCRIPT.findall((DOCS / page).read_text(encoding="utf-8"))
    assert scripts
    for number, text in enumerate(scripts):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert load(path).rules or load(path).carriers


@pytest.mark.parametrize("part", [Match, Step, Rule, Behaviour])
def test_every_word_of_a_script_is_documented(part: type[Match | Step | Rule | Behaviour]) -> None:
    words = set(part.model_fields) - {"meaning"}  # What the numbers are called; rules have names.
    assert not {word for word in words if f"`{word}" not in DOCUMENT and f"{word}:" not in DOCUMENT}
