"""What docs/simulator.md says of the numbers is what the code does."""

import re
from pathlib import Path

from call_manager.simulator.outcomes import ANSWERS, OUTCOMES

DOCUMENT = Path(__file__).parents[4] / "docs" / "simulator.md"
ROW = re.compile(r"^\| `(\d\d)` \| (.*?) \|$", re.MULTILINE)


def test_the_table_of_numbers_is_the_code_s() -> None:
    documented = dict(ROW.findall(DOCUMENT.read_text(encoding="utf-8")))
    meant = {"00": ANSWERS.meaning}
    meant |= {digits: outcome.meaning for digits, outcome in OUTCOMES.items()}
    assert documented == meant
